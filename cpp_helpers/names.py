"""Names of C++: what an expression can use beside columns."""

from __future__ import annotations

import functools
import re

from cpp_helpers import library

_KNOWN = frozenset(
    re.findall(
        r"\w+",
        """
    and auto bitand bitor bool break case char const constexpr continue decltype default delete do
    double else enum false float for if int int16_t int32_t int64_t int8_t long namespace new not
    nullptr operator or return short signed sizeof size_t static static_cast string struct switch
    template this true typename uint16_t uint32_t uint64_t uint8_t unsigned using vector void while
    xor std ROOT VecOps monojet M_PI
    abs accumulate acos acosh asin asinh atan atan2 atanh cbrt ceil clamp copysign cos cosh count
    erf exp exp2 expm1 fabs floor fmax fmin fmod hypot isfinite isinf isnan log log10 log1p log2 max
    min nearbyint numeric_limits pow rint round sin sinh sort sqrt tan tanh tgamma trunc
    RVec RVecB RVecC RVecD RVecF RVecI RVecL RVecLL RVecU RVecUL RVecULL
    All Angle Any ArgMax ArgMin Argsort Combinations Concatenate Construct DeltaPhi DeltaR DeltaR2
    Dot Drop Enumerate Filter Intersect InvariantMass InvariantMasses Map Max Mean Min Nonzero
    Product Range Reverse Sort StableArgsort StableSort StdDev Sum Take Unique Var Where
        """,
    )
)
"""Those that expressions mostly use, for which no compiler is asked."""

_UNDECLARED = re.compile(
    "was not declared in this scope|undeclared identifier|has not been declared"
)


@functools.cache
def is_known(word: str) -> bool:
    """Return whether C++ or the helpers know a name: a type, function, constant, namespace or
    keyword."""
    if word in _KNOWN:
        return True
    body = f"using namespace ROOT::VecOps; using namespace std; (void)({word});"
    code = f"template <int> void monojet_knows_{word}() {{ {body} }}\n"
    said = library.problem_of(f'#include "{library.COMMON_HEADER}"\n{code}')
    if said is None:
        said = _said_by_cling(code)
    return not _UNDECLARED.search(said)


def _said_by_cling(code: str) -> str:
    """Return what cling says about code that does not compile."""
    from cpp_helpers import declare, load_root
    from cpp_helpers.errors import Diagnostics, diagnostics

    messages = Diagnostics()
    try:
        with diagnostics(messages):
            if not declare() or not load_root().gInterpreter.Declare(code):
                raise NameError(code)
    except NameError:
        return messages.text
    return ""
