#include "objects/particles.hxx"

#include "runtime/object.hxx"

extern "C" int monojet_set_invisible(const int *codes, std::size_t n) {
  return monojet::guarded([&] { monojet::set_invisible({codes, codes + n}); });
}
