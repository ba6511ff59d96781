"""Test rapidity-mass matrices: a check event, a numpy reference and their symmetries."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from cpp_helpers import declare, load_root
from tests.cpp_helpers import rmm_reference
from tests.cpp_helpers.bridge import array, implicit_mt
from tests.cpp_helpers.rmm_events import SQRT_S, C, Events, Object, compiled, matrix

# --- The check event ---------------------------------------------------------------------------

CHECK: tuple[tuple[int, list[Object]], ...] = (
    (2, [(450.0, 0.7, -0.6, 60.0), (120.0, -1.3, 0.9, 25.0)]),
    (2, [(80.0, -0.4, 1.1, 0.10566)]),
    (2, [(95.0, 1.9, -1.7, 0.000511), (33.0, -2.2, 0.2, 0.000511)]),
    (2, []),
)


def test_the_check_event() -> None:
    """Numbers worked out by hand from the definitions, at C = 1."""
    found = matrix(*CHECK, met=300, met_phi=2.5, c=1)
    jet1, jet2, electron1, electron2 = 1, 2, 5, 6
    for (row, column), expected in {
        (0, 0): 2.3076924e-2,
        (0, jet1): 5.6713264e-2,
        (jet1, jet1): 3.4810141e-2,
        (jet2, jet2): 0.57896560,
        (jet1, jet2): 4.9008064e-2,
        (jet1, 0): 0.25115854,
        (jet2, jet1): 0.52934021,
        (electron2, electron1): 2.9483180,
        (electron2, electron2): 0.484375,
    }.items():
        assert found[row, column] == pytest.approx(expected, rel=1e-5)
    absent = [4, 7, 8]
    assert not found[absent].any()
    assert not found[:, absent].any()


def test_c_scales_the_lower_triangle_alone() -> None:
    one, small = (matrix(*CHECK, c=c) for c in (1, C))
    lower = np.tri(len(one), k=-1, dtype=bool)
    np.testing.assert_allclose(small[lower], C * one[lower], rtol=1e-6)
    np.testing.assert_array_equal(small[~lower], one[~lower])


# --- Against numpy -----------------------------------------------------------------------------


def _random_events(n: int, n_types: int, most: int, seed: int = 1) -> Events:
    """Any number of objects up to `most`, in no order, with light, heavy and collinear ones."""
    rng = np.random.default_rng(seed)
    shape = (n, n_types, most)
    pt = rng.exponential(100, shape) + 1
    eta = rng.uniform(-5, 5, shape)
    phi = rng.uniform(-np.pi, np.pi, shape)
    mass = rng.choice([0, 0.000511, 0.10566, 1], shape) + rng.choice([0, 20], shape) * rng.random()
    near = rng.random(shape) < 0.2
    near[..., 0] = False
    eta = np.where(near, eta[..., :1] + rng.uniform(-1e-3, 1e-3, shape), eta)
    phi = np.where(near, phi[..., :1] + rng.uniform(-1e-3, 1e-3, shape), phi)
    absent = np.arange(most) >= rng.integers(0, most + 1, (n, n_types, 1))
    pt = np.where(rng.permuted(absent, axis=-1), 0, pt)
    objects = np.stack((pt, eta, phi, mass), axis=2).astype(np.float32)
    met = rng.exponential(100, n) * (rng.random(n) > 0.05)
    return Events(objects, met, rng.uniform(-np.pi, np.pi, n))


@pytest.mark.parametrize(
    ("slots", "most"),
    [((6, 6, 5, 5), 8), ((2, 2, 2, 2), 2), ((1,), 3), ((3, 0, 4), 5), ((64,), 70)],
)
def test_matrices_are_those_of_numpy(slots: tuple[int, ...], most: int) -> None:
    events = _random_events(200 if most > 10 else 3000, len(slots), most)
    found = events.matrices(slots)
    expected = rmm_reference.rmm(events.objects, slots, events.met, events.met_phi, SQRT_S, C)
    # where m_T is 0, the root of a rounding remains in the reference
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-10)


_EXPRESSION = "monojet::rmm({sqrt_s}, {c}, met, met_phi, {{{types}}})"


@pytest.mark.parametrize("threads", [1, 3])
def test_a_data_frame_makes_the_same_matrices(threads: int) -> None:
    slots, n = (6, 6, 5, 5), 3000
    events = _random_events(n, len(slots), 8)
    events.objects[:, 3, 3] = 0.10566  # a fixed mass
    expected = events.matrices(slots)
    root, helpers = load_root(), declare()
    with implicit_mt(threads):
        df = root.RDF.AsRNode(root.RDataFrame(n))
        names = ("jet", "bjet", "electron", "muon")
        columns = {
            f"{name}_{x}": f"monojet_test::rmm_column(rdfentry_, {t}, {i})"
            for t, name in enumerate(names)
            for i, x in enumerate(("pt", "eta", "phi", "mass"))
        }
        columns |= {x: f"monojet_test::rmm_events().{x}[rdfentry_]" for x in ("met", "met_phi")}
        columns |= {"run_number": "1u", "event_number": "rdfentry_", "weight": "1."}
        columns["monojet_quantities"] = "ROOT::RVecF{}"
        types = ", ".join(
            f"monojet::objects({name}_pt, {name}_eta, {name}_phi, "
            f"{'0.10566f' if name == 'muon' else f'{name}_mass'}, {k})"
            for name, k in zip(names, slots, strict=True)
        )
        columns["monojet_features"] = _EXPRESSION.format(sqrt_s=SQRT_S, c=C, types=types)
        for name, expression in columns.items():
            df = helpers.define(df, name, expression)
        block = helpers.TableBlock(0, expected[0].size)
        helpers.make_table(df, "weight", block)
    found = array(block.features, np.float32).reshape(expected.shape)
    np.testing.assert_allclose(found, expected, rtol=1e-6, atol=1e-13)


@pytest.mark.parametrize("mass", [0.0, 0.000511, 0.10566])
@pytest.mark.parametrize("distance", [1e-6, 1e-4, 1e-2])
@pytest.mark.parametrize("eta", [0.0, 2.4, -4.5])
def test_masses_of_nearly_collinear_light_objects_are_accurate(
    mass: float, distance: float, eta: float
) -> None:
    """E_i E_j - p_i p_j in double precision is wrong by 4 % for these electrons at |eta| 4.5 and
    the least distance, and by 1e-5 at the next."""
    pair = [(1500.0, eta, 0.001, mass), (900.0, eta + distance, 0.001 + distance, mass)]
    found = matrix((2, pair))
    objects = np.array(pair, np.float32).T[None, None]
    expected = rmm_reference.rmm(objects, [2], np.array([100.0]), np.array([0.5]), SQRT_S, C)[0]
    # the reference, too, has no digits left for two massless ones at the least distance
    tolerance = 1e-3 if distance < 1e-5 else 1e-6
    assert found[1, 2] == pytest.approx(expected[1, 2], rel=tolerance)
    small = math.hypot(*np.diff(objects[0, 0, 1:3], axis=1).ravel().astype(float))
    m2 = 1500 * 900 * small**2 + mass**2 * (2 + 1500 / 900 + 900 / 1500)
    assert found[1, 2] * SQRT_S == pytest.approx(math.sqrt(m2), rel=1e-4)


# --- Its symmetries ----------------------------------------------------------------------------

GRID = st.integers(-3000, 3000).map(lambda i: i / 1024)  # sums of these are exact
MASSES = st.sampled_from([0.0, 0.000511, 0.10566, 5.0, 80.0])
OBJECTS = st.tuples(st.floats(1, 2000, width=32), GRID, GRID, MASSES)
TYPE = st.lists(OBJECTS, max_size=5)
DISTINCT = st.lists(OBJECTS, max_size=5, unique_by=lambda x: x[0])


@settings(max_examples=60, deadline=None)
@given(jets=TYPE, muons=TYPE, met_phi=GRID, angle=GRID)
def test_a_rotation_about_the_beam_changes_nothing(
    jets: list[Object], muons: list[Object], met_phi: float, angle: float
) -> None:
    turned = [[(pt, eta, phi + angle, m) for pt, eta, phi, m in x] for x in (jets, muons)]
    before = matrix((3, jets), (4, muons), met_phi=met_phi)
    after = matrix((3, turned[0]), (4, turned[1]), met_phi=met_phi + angle)
    np.testing.assert_allclose(after, before, rtol=1e-6, atol=1e-13)


@settings(max_examples=60, deadline=None)
@given(jets=TYPE, muons=TYPE, met_phi=GRID)
def test_a_reflection_changes_nothing(
    jets: list[Object], muons: list[Object], met_phi: float
) -> None:
    mirrored = [[(pt, -eta, -phi, m) for pt, eta, phi, m in x] for x in (jets, muons)]
    before = matrix((3, jets), (4, muons), met_phi=met_phi)
    after = matrix((3, mirrored[0]), (4, mirrored[1]), met_phi=-met_phi)
    np.testing.assert_allclose(after, before, rtol=1e-6, atol=1e-13)


@settings(max_examples=60, deadline=None)
@given(jets=TYPE, boost=GRID)
def test_a_boost_along_the_beam_leaves_masses_and_differences_of_rapidity(
    jets: list[Object], boost: float
) -> None:
    massless = [(pt, eta, phi, 0.0) for pt, eta, phi, _ in jets]
    boosted = [(pt, eta + boost, phi, m) for pt, eta, phi, m in massless]
    before, after = (matrix((5, x)) for x in (massless, boosted))
    before[:, 0] = after[:, 0] = 0  # but h_L
    np.testing.assert_allclose(after, before, rtol=1e-6, atol=1e-13)


@settings(max_examples=60, deadline=None)
@given(jets=TYPE, muons=TYPE, more=st.integers(1, 10))
def test_more_slots_leave_the_common_elements(
    jets: list[Object], muons: list[Object], more: int
) -> None:
    few, many = (matrix((3 + k, jets), (2 + k, muons)) for k in (0, more))
    common = [0, 1, 2, 3, 4 + more, 5 + more]
    np.testing.assert_array_equal(many[np.ix_(common, common)], few)
    beyond = [1 + i for i in range(3 + more) if i >= len(jets)]
    beyond += [4 + more + i for i in range(2 + more) if i >= len(muons)]
    assert not many[beyond].any()
    assert not many[:, beyond].any()


@settings(max_examples=60, deadline=None)
@given(data=st.data(), jets=DISTINCT)
def test_the_order_of_the_columns_does_not_matter(data: st.DataObject, jets: list[Object]) -> None:
    shuffled = data.draw(st.permutations(jets))
    np.testing.assert_array_equal(matrix((3, shuffled)), matrix((3, jets)))


def test_equally_hard_objects_stay_in_their_order() -> None:
    a, b, c = (50.0, 0.1, 0.0, 0.0), (50.0, 0.2, 1.0, 0.0), (50.0, 0.3, 2.0, 0.0)
    hl = [C * (math.cosh(eta) - 1) for eta in (0.1, 0.2, 0.3)]
    assert matrix((2, [a, b, c]))[1:, 0] == pytest.approx(hl[:2], rel=1e-5)
    assert matrix((2, [c, b, a]))[1:, 0] == pytest.approx(hl[:0:-1], rel=1e-5)


@settings(max_examples=60, deadline=None)
@given(jet=OBJECTS)
def test_a_single_object_has_four_elements(jet: Object) -> None:
    found = matrix((3, [jet]))
    pt, eta, phi, mass = jet
    assert found[0, 0] == pytest.approx(100 / SQRT_S)
    momentum = pt * math.cosh(eta)
    e_t = math.hypot(momentum, mass) / math.cosh(eta)
    assert found[1, 1] == pytest.approx(e_t / SQRT_S, rel=1e-6)
    y = math.atanh(pt * math.sinh(eta) / math.hypot(momentum, mass))
    assert found[1, 0] == pytest.approx(C * (math.cosh(y) - 1), rel=1e-4, abs=1e-9)
    dphi = phi - 0.5
    m_t2 = (e_t + 100) ** 2 - pt**2 - 100**2 - 200 * pt * math.cos(dphi)
    assert found[0, 1] * SQRT_S == pytest.approx(math.sqrt(max(m_t2, 0)), rel=1e-5, abs=1e-3)
    found[:2, :2] = 0
    assert not found.any()


@settings(max_examples=60, deadline=None)
@given(jet=OBJECTS)
def test_two_identical_objects(jet: Object) -> None:
    found = matrix((2, [jet, jet]))
    assert found[2, 2] == 0
    assert found[2, 1] == pytest.approx(0, abs=1e-20)
    assert found[1, 2] * SQRT_S == pytest.approx(2 * jet[3], rel=1e-6, abs=1e-9)
    assert found[0, 1] == found[0, 2]
    assert found[1, 0] == found[2, 0]


# --- What is defined at the edges --------------------------------------------------------------


@pytest.mark.parametrize(
    ("met", "met_phi"),
    [(0, 0), (0, 2), (-1, 0), (math.nan, 0), (math.inf, 0), (50, math.nan), (50, math.inf)],
)
def test_without_missing_transverse_momentum_its_row_is_of_the_objects_alone(
    met: float, met_phi: float
) -> None:
    found = matrix((2, [(90.0, 1.0, 0.4, 30.0), (50.0, 1.0, 0.4, 0.0)]), met=met, met_phi=met_phi)
    assert found[0, 0] == 0
    assert found[0, 1] * SQRT_S == pytest.approx(30 / math.cosh(1))
    assert found[0, 2] == 0
    assert np.isfinite(found).all()


@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_objects_that_are_not_finite_are_left_out(number: int, bad: float) -> None:
    good = [(90.0, 1.0, 0.4, 30.0), (50.0, -1.0, 0.4, 0.0)]
    broken = [70.0, 0.5, 2.0, 10.0]
    broken[number] = bad
    (pt, eta, phi, mass) = broken
    found = matrix((3, [(pt, eta, phi, mass), *good]))
    np.testing.assert_array_equal(found, matrix((3, good)))


@pytest.mark.parametrize("other", [(0.0, 1.0, 1.0, 5.0), (-9.0, 1.0, 1.0, 0.0), (9.0, 21.0, 0, 0)])
def test_objects_without_a_transverse_momentum_or_along_the_beam_are_left_out(
    other: Object,
) -> None:
    good = [(90.0, 1.0, 0.4, 30.0)]
    np.testing.assert_array_equal(matrix((3, [*good, other])), matrix((3, good)))


@settings(max_examples=60, deadline=None)
@given(
    objects=st.lists(
        st.tuples(*(st.floats(-bound, bound, width=32) for bound in (1e6, 1e3, 1e6, 1e6))),
        max_size=4,
    ),
    met=st.floats(0, 1e6),
)
@example(objects=[(1e-40, 20.0, 0.0, 1e6), (1e6, -20.0, 0.0, 0.0)], met=0.0)
def test_every_element_is_finite(objects: list[Object], met: float) -> None:
    assert np.isfinite(matrix((4, objects), met=met)).all()


def test_a_mass_below_zero_is_zero() -> None:
    other = (60.0, -1.0, 2.0, 10.0)
    below, zero = (matrix((2, [(90.0, 1.0, 0.4, m), other])) for m in (-0.3, 0.0))
    np.testing.assert_array_equal(below, zero)


def test_the_softest_objects_beyond_the_slots_are_left_out() -> None:
    jets = [(float(pt), 0.1 * pt / 20, 0.3, 5.0) for pt in (30, 90, 20, 70, 50)]
    np.testing.assert_array_equal(matrix((2, jets)), matrix((2, [jets[1], jets[3]])))


def test_masks_divide_a_collection(root: Any) -> None:
    jets = [(90.0, 0.1, 0.4, 5.0), (70.0, 1.0, -1.0, 5.0), (50.0, -2.0, 3.0, 5.0)]
    columns = [root.RVecF(list(x)) for x in list(zip(*jets, strict=True))[:3]]
    found = compiled().by_tag(*columns, root.RVecI([0, 1, 0]))
    expected = matrix((2, [jets[0], jets[2]]), (2, [jets[1]]), met=50, met_phi=0, c=1)
    np.testing.assert_array_equal(np.array(found, np.float32), expected.ravel())


def test_too_many_slots_are_refused() -> None:
    assert compiled().dimension([32, 32]) == 65
    for slots in ([65], [32, 33], [64, 2**64 - 1]):
        with pytest.raises(Exception, match="at most 64 objects"):
            compiled().dimension(slots)


@pytest.mark.parametrize("sqrt_s", [0.0, -1.0, math.nan])
def test_an_energy_that_is_not_positive_is_refused(sqrt_s: float) -> None:
    with pytest.raises(Exception, match=r"sqrt\(s\) of a rapidity-mass matrix must be positive"):
        matrix((1, []), sqrt_s=sqrt_s)


def test_columns_of_different_lengths_are_refused(helpers: Any, root: Any) -> None:
    one, two = root.RVecF([1.0]), root.RVecF([1.0, 2.0])
    for columns in ((one, two, one, 0.0), (one, one, two, 0.0), (one, one, one, two)):
        with pytest.raises(Exception, match="columns of a type of objects differ in length"):
            helpers.objects(*columns, 2)
    with pytest.raises(Exception, match="a mask has another length"):
        helpers.objects(one, one, one, 0.0, 2).where(root.RVecI([1, 0]))


def test_c_is_that_of_the_paper_unless_told(helpers: Any) -> None:
    assert helpers.RmmOptions().c == C
