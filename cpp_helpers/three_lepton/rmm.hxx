// The rapidity-mass matrix of an event: S. Chekanov, arXiv:1805.11650.
//
// Square, of dimension 1 + the slots of all types, row-major. The first row and column stand for
// the missing transverse momentum, the others for the objects, type after type, hardest first:
//
//   (0, 0)      E_T^miss / sqrt(s)
//   (0, i)      m_T(i) / sqrt(s),  m_T^2 = (E_T + E_T^miss)^2 - |p_T + p_T^miss|^2
//   (i, 0)      h_L(i) = c (cosh y - 1)
//   (i, i)      E_T / sqrt(s) of the hardest of a type; for the others the imbalance
//               (E_T(n-1) - E_T(n)) / (E_T(n-1) + E_T(n)), n in the order of pT
//   (i, j > i)  m_ij / sqrt(s)
//   (i, j < i)  h_ij = c (cosh(dy / 2) - 1)
//
// with E_T = E sin(theta), which is not sqrt(m^2 + pT^2), and the true rapidity y. GeV, radians.
#ifndef MONOJET_RMM_HXX
#define MONOJET_RMM_HXX

#include <ROOT/RVec.hxx>

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>
#include <stdexcept>
#include <string>

namespace monojet {

using ROOT::RVecF;
using ROOT::RVecI;

inline constexpr std::size_t max_rmm_slots = 64; // in all types; work arrays are on the stack
inline constexpr double max_rmm_eta = 20.;       // beyond any detector; cosh(y) stays a float

struct RmmOptions {
  double sqrt_s;   // GeV
  double c = 0.15; // rapidity scale
};

/// Objects of one type, in any order, as views of their columns, which must outlive them.
///
/// The hardest `n_slots` take part; ties keep the order of the columns. Objects are ignored unless
/// pT > 0, |eta| <= 20 and all their numbers are finite. A negative mass, which rounding gives to
/// light jets, counts as 0.
struct Objects {
  const float *pt, *eta, *phi;
  const float *mass; // null: all have `fixed_mass`
  float fixed_mass;
  std::size_t n_objects, n_slots;
  const int *mask = nullptr; // null: all

  /// The objects with a non-zero entry in the mask.
  ///
  /// Raises: std::invalid_argument, the mask has another length.
  Objects where(const RVecI &chosen) const {
    if (chosen.size() != n_objects)
      throw std::invalid_argument("a mask has another length than the objects");
    Objects some = *this;
    some.mask = chosen.data();
    return some;
  }

  bool takes_part(std::size_t i) const {
    return (!mask || mask[i]) && pt[i] > 0.f && std::abs(eta[i]) <= max_rmm_eta &&
           std::isfinite(pt[i]) && std::isfinite(phi[i]) && std::isfinite(mass_of(i));
  }

  float mass_of(std::size_t i) const { return mass ? mass[i] : fixed_mass; }
};

/// Objects of one mass (electrons, muons, photons).
///
/// Raises: std::invalid_argument, the columns differ in length.
inline Objects objects(const RVecF &pt, const RVecF &eta, const RVecF &phi, float mass,
                       std::size_t n_slots) {
  if (eta.size() != pt.size() || phi.size() != pt.size())
    throw std::invalid_argument("the columns of a type of objects differ in length");
  return {pt.data(), eta.data(), phi.data(), nullptr, mass, pt.size(), n_slots};
}

/// Objects with individual masses.
///
/// Raises: std::invalid_argument, the columns differ in length.
inline Objects objects(const RVecF &pt, const RVecF &eta, const RVecF &phi, const RVecF &mass,
                       std::size_t n_slots) {
  if (mass.size() != pt.size())
    throw std::invalid_argument("the columns of a type of objects differ in length");
  Objects all = objects(pt, eta, phi, 0.f, n_slots);
  all.mass = mass.data();
  return all;
}

/// Number of rows of the matrix.
///
/// Raises: std::invalid_argument, more slots than `max_rmm_slots`.
inline std::size_t rmm_dimension(const Objects *types, std::size_t n_types) {
  std::size_t slots = 0;
  for (std::size_t t = 0; t < n_types; ++t) {
    if (types[t].n_slots > max_rmm_slots - slots)
      throw std::invalid_argument("a rapidity-mass matrix has at most " +
                                  std::to_string(max_rmm_slots) + " objects");
    slots += types[t].n_slots;
  }
  return 1 + slots;
}

/// Writes the indices of the objects of a type that take part to `hardest`, hardest first, and
/// returns their number.
inline std::size_t find_hardest(const Objects &type, std::size_t *hardest) {
  std::size_t n = 0;
  for (std::size_t i = 0; i < type.n_objects; ++i) {
    if (!type.takes_part(i))
      continue;
    std::size_t place = n; // ties keep their order
    while (place > 0 && type.pt[i] > type.pt[hardest[place - 1]])
      --place;
    if (place == type.n_slots)
      continue;
    n = std::min(n + 1, type.n_slots);
    std::copy_backward(hardest + place, hardest + n - 1, hardest + n);
    hardest[place] = i;
  }
  return n;
}

/// A direction as functions of fractions of its angles. Functions of differences of angles follow
/// from products, so that pairs of objects need no trigonometric functions.
struct RmmDirection {
  double sinh_y, cosh_y;   // of y / 4
  double sin_phi, cos_phi; // of phi / 2

  /// sinh^2(dy / 4)
  double rapidity_gap(const RmmDirection &other) const {
    const double s = sinh_y * other.cosh_y - cosh_y * other.sinh_y;
    return s * s;
  }

  /// sin^2(dphi / 2)
  double azimuth_gap(const RmmDirection &other) const {
    const double s = sin_phi * other.cos_phi - cos_phi * other.sin_phi;
    return s * s;
  }
};

/// cosh(x) - 1 from `gap` = sinh^2(x / 4), without loss of digits near 0.
inline double cosh_minus_1(double gap) { return 8. * gap * (1. + gap); }

/// The quantities of an object that the elements need.
struct RmmObject {
  std::size_t row;
  double pt;
  double mass2;
  double mt2, mt; // m^2 + pT^2
  double light2;  // E_T^2 - pT^2 = (m sin(theta))^2
  double et;      // E sin(theta)
  RmmDirection direction;

  RmmObject() = default; // uninitialised: an array costs nothing
  RmmObject(std::size_t row, double pt, double eta, double phi, double mass)
      : row(row), pt(pt), mass2(mass * mass), mt2(pt * pt + mass2), mt(std::sqrt(mt2)) {
    const double exp_eta = std::exp(std::abs(eta));
    const double sinh_eta = 0.5 * (exp_eta - 1. / exp_eta);
    const double cosh_eta = 0.5 * (exp_eta + 1. / exp_eta);
    light2 = mass2 / (cosh_eta * cosh_eta);
    et = std::sqrt(pt * pt + light2);
    const double exp_y = (et * cosh_eta + pt * sinh_eta) / mt; // (E + |p_z|) / m_T
    const double exp_y4 = std::sqrt(std::sqrt(exp_y));
    direction = {std::copysign(0.5 * (exp_y4 - 1. / exp_y4), eta), 0.5 * (exp_y4 + 1. / exp_y4),
                 std::sin(0.5 * phi), std::cos(0.5 * phi)};
  }
};

/// m_T of an object and the missing transverse momentum, as sums of non-negative terms.
inline double transverse_mass(const RmmObject &object, double met,
                              const RmmDirection &met_direction) {
  const double et_minus_pt = object.light2 / (object.et + object.pt);
  const double one_minus_cos = 2. * object.direction.azimuth_gap(met_direction);
  return std::sqrt(object.light2 + 2. * met * (et_minus_pt + object.pt * one_minus_cos));
}

/// Invariant mass of a pair; `gap` is sinh^2(dy / 4). The usual E_i E_j - p_i p_j is a small
/// difference of large numbers for light, nearly collinear objects; here all terms are
/// non-negative.
inline double pair_mass(const RmmObject &a, const RmmObject &b, double gap) {
  const double mt_mt = a.mt * b.mt, pt_pt = a.pt * b.pt;
  const double mt_mt_minus_pt_pt = (a.mass2 * b.mt2 + b.mass2 * a.pt * a.pt) / (mt_mt + pt_pt);
  const double one_minus_cos = 2. * a.direction.azimuth_gap(b.direction);
  const double product = mt_mt_minus_pt_pt + mt_mt * cosh_minus_1(gap) + pt_pt * one_minus_cos;
  return std::sqrt(a.mass2 + b.mass2 + 2. * product);
}

/// Writes the matrix to `out`; absent objects give 0. A missing transverse momentum that is not
/// positive and finite, or has no finite direction, counts as 0: m_T is then sqrt(E_T^2 - pT^2).
///
/// Raises: std::invalid_argument, sqrt(s) is not positive or there are too many slots.
inline void fill_rmm(float *out, const RmmOptions &options, double met, double met_phi,
                     const Objects *types, std::size_t n_types) {
  const std::size_t dimension = rmm_dimension(types, n_types);
  if (!(options.sqrt_s > 0.))
    throw std::invalid_argument("sqrt(s) of a rapidity-mass matrix must be positive");
  const double per_sqrt_s = 1. / options.sqrt_s;
  if (!(met > 0.) || !std::isfinite(met) || !std::isfinite(met_phi))
    met = met_phi = 0.;
  const RmmDirection met_direction{0., 1., std::sin(0.5 * met_phi), std::cos(0.5 * met_phi)};

  std::fill_n(out, dimension * dimension, 0.f);
  const auto set = [out, dimension](std::size_t row, std::size_t column, double value) {
    out[row * dimension + column] = static_cast<float>(value);
  };
  set(0, 0, met * per_sqrt_s);

  std::array<RmmObject, max_rmm_slots> present;
  std::size_t n_present = 0, first_row = 1;
  for (const Objects *type = types; type != types + n_types; first_row += type++->n_slots) {
    std::array<std::size_t, max_rmm_slots> hardest;
    const std::size_t n = find_hardest(*type, hardest.data());
    for (std::size_t k = 0; k < n; ++k) {
      const std::size_t i = hardest[k], row = first_row + k;
      const float mass = std::max(type->mass_of(i), 0.f);
      const RmmObject object(row, type->pt[i], type->eta[i], type->phi[i], mass);
      const RmmDirection along_y_0{0., 1., 0., 1.};
      set(row, 0, options.c * cosh_minus_1(object.direction.rapidity_gap(along_y_0)));
      set(0, row, transverse_mass(object, met, met_direction) * per_sqrt_s);
      if (k == 0) {
        set(row, row, object.et * per_sqrt_s);
      } else {
        const double harder = present[n_present - 1].et;
        set(row, row, (harder - object.et) / (harder + object.et));
      }
      for (std::size_t j = 0; j < n_present; ++j) {
        const RmmObject &other = present[j];
        const double gap = object.direction.rapidity_gap(other.direction);
        set(row, other.row, options.c * 2. * gap); // cosh(dy / 2) - 1 = 2 sinh^2(dy / 4)
        set(other.row, row, pair_mass(other, object, gap) * per_sqrt_s);
      }
      present[n_present++] = object;
    }
  }
}

/// The matrix as a column, for example
/// `monojet::rmm(13e3, 0.15, met, met_phi, {monojet::objects(jet_pt, jet_eta, jet_phi, jet_mass,
/// 6), monojet::objects(muon_pt, muon_eta, muon_phi, 0.10566f, 5)})`. It allocates the vector only.
inline RVecF rmm(double sqrt_s, double c, double met, double met_phi,
                 std::initializer_list<Objects> types) {
  const std::size_t dimension = rmm_dimension(types.begin(), types.size());
  RVecF matrix(dimension * dimension);
  fill_rmm(matrix.data(), {sqrt_s, c}, met, met_phi, types.begin(), types.size());
  return matrix;
}

} // namespace monojet

#endif
