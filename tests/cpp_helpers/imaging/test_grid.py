"""The grid and the image builder, against the reference."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.schema.images import eta_of_row, phi_of_column
from tests import reference
from tests.cpp_helpers.bridge import Builder, Sparse
from tests.reference import Jet, Particle

F32_PI = float(np.float32(math.pi))
FLOATS = st.floats(width=32, allow_nan=True, allow_infinity=True)


def _around(edge: float) -> list[float]:
    """The float32 nearest to an edge, and its neighbours."""
    nearest = np.float32(edge)
    return [float(np.nextafter(nearest, np.float32(to))) for to in (-9, edge, 9)] + [float(nearest)]


ETA_EDGES = sorted({x for row in range(101) for x in _around(-2.5 + row / 20)})
PHI_EDGES = sorted({x for column in range(127) for x in _around(-3.15 + column / 20)})
ODD_AZIMUTHS = [F32_PI, -F32_PI, math.pi, -math.pi, 3.15, -3.15, 2 * math.pi, -7.0, 1e6]


@pytest.mark.parametrize("eta", [0.0, -0.0, 1e-45, -1e-45, 1e-20, -1e-20])
def test_pseudorapidities_about_zero_are_in_the_rows_beside_it(helpers: Any, eta: float) -> None:
    assert helpers.eta_row(eta) == (50 if eta >= 0 else 49)


def test_every_edge_in_eta_belongs_to_the_row_above_it(helpers: Any) -> None:
    found = {eta: helpers.eta_row(eta) for eta in ETA_EDGES}
    assert found == {eta: _or_minus_one(reference.row_of(eta)) for eta in ETA_EDGES}


def test_every_edge_in_phi_belongs_to_the_column_above_it(helpers: Any) -> None:
    found = {phi: helpers.phi_column(phi) for phi in PHI_EDGES}
    assert found == {phi: _or_minus_one(reference.column_of(phi)) for phi in PHI_EDGES}


@settings(max_examples=300, deadline=None)
@given(eta=FLOATS, phi=FLOATS)
def test_any_direction_in_single_precision_is_in_the_cell_of_the_reference(
    helpers: Any, eta: float, phi: float
) -> None:
    assert helpers.eta_row(eta) == _or_minus_one(reference.row_of(eta))
    assert helpers.phi_column(phi) == _or_minus_one(reference.column_of(phi))


@pytest.mark.parametrize(
    ("eta", "row"), [(-2.5, 0), (2.5, -1), (np.nextafter(2.5, 0), 99), (-2.6, -1), (math.nan, -1)]
)
def test_rows_end_at_plus_minus_two_and_a_half(helpers: Any, eta: float, row: int) -> None:
    assert helpers.eta_row(eta) == row


@pytest.mark.parametrize(
    ("phi", "column"),
    [
        *((math.pi, 125), (-math.pi, 0), (F32_PI, 125), (-F32_PI, 0), (3.15, 125), (-3.15, 0)),
        *((2 * math.pi, 63), (-3.2, 124), (math.nan, -1), (math.inf, -1), (-math.inf, -1)),
    ],
)
def test_azimuths_at_and_beyond_pi(helpers: Any, phi: float, column: int) -> None:
    assert helpers.phi_column(phi) == column


def _or_minus_one(index: int | None) -> int:
    return -1 if index is None else index


def test_centres_of_cells_are_the_coordinates_of_the_reference(helpers: Any) -> None:
    empty = np.zeros((reference.N_ROWS, reference.N_COLUMNS, reference.N_CHANNELS))
    coordinates = reference.with_coordinates(empty)
    rows, columns = np.arange(reference.N_ROWS), np.arange(reference.N_COLUMNS)
    eta, phi = coordinates[:, 0, reference.ETA], coordinates[0, :, reference.PHI]
    np.testing.assert_array_equal([helpers.eta_row(x) for x in eta], rows)
    np.testing.assert_array_equal([helpers.phi_column(x) for x in phi], columns)
    np.testing.assert_allclose(eta_of_row(rows), eta, rtol=1e-14)
    np.testing.assert_allclose(phi_of_column(columns), phi, rtol=1e-14)


# --- Whole events ------------------------------------------------------------------------

Event = tuple[list[Particle], list[Jet]]

_SMALL, _LARGE = float(np.float32(1e-40)), float(np.float32(1e30))
_MOMENTUM = st.one_of(
    st.floats(1, 1000, width=32), st.floats(_SMALL, _LARGE, width=32), st.just(_SMALL)
)
_KINDS = st.sampled_from(
    [(211, 1), (-211, -1), (2112, 0), (22, 0), (111, 0), (11, -1), (-11, 1), (13, -1), (-13, 1)]
)


@st.composite
def events(draw: st.DrawFn) -> Event:
    """Particles and jets of a few directions, so that cells hold several of them."""
    eta = st.one_of(st.floats(-3, 3, width=32), st.sampled_from([*ETA_EDGES, math.nan]))
    phi = st.one_of(
        st.floats(-4, 4, width=32), st.sampled_from([*PHI_EDGES, *ODD_AZIMUTHS, math.nan])
    )
    directions = draw(st.lists(st.tuples(eta, phi), min_size=1, max_size=4))
    particles = []
    for _ in range(draw(st.integers(0, 12))):
        kind, charge = draw(_KINDS)
        direction = draw(st.sampled_from(directions))
        energy = draw(st.one_of(_MOMENTUM, st.just(0.0)))
        particles.append(Particle(draw(_MOMENTUM), *direction, energy, kind, charge))
    jets = []
    for _ in range(draw(st.integers(0, 3))):
        direction = draw(st.sampled_from(directions))
        jets.append(Jet(draw(_MOMENTUM), *direction, draw(st.floats(0, 0.5, width=32))))
    return particles, jets


def _image(builder: Builder, event: Event) -> Sparse:
    objects: list[Particle | Jet] = [*event[0], *event[1]]
    accepted = builder.add(objects)
    assert accepted == [reference.address_of(x.eta, x.phi) is not None for x in objects]
    return builder.read_out()


def _assert_equal_to_reference(sparse: Sparse, event: Event) -> None:
    expected = reference.grid(*event)
    cells = reference.non_empty(expected.astype(np.float32))
    assert sparse.cells == cells
    for cell, values in zip(cells, sparse.values, strict=True):
        np.testing.assert_allclose(values, expected[cell], rtol=2e-7, atol=2e-45)


@pytest.fixture(scope="module")
def builder() -> Builder:
    return Builder()


@settings(max_examples=120, deadline=None)
@given(event=events())
def test_image_of_any_event_is_that_of_the_reference(builder: Builder, event: Event) -> None:
    """The builder is one for all events: what the last left behind would show."""
    _assert_equal_to_reference(_image(builder, event), event)


def _particle(eta: float, phi: float, kind: int = 211, charge: int = 1, pt: float = 5) -> Particle:
    return Particle(pt, eta, phi, 2 * pt, kind, charge)


AWKWARD: dict[str, Event] = {
    "nothing": ([], []),
    "one particle": ([_particle(0.01, 0.01)], []),
    "only outside": ([_particle(2.5, 0), _particle(-2.51, 1), _particle(math.nan, 0)], []),
    "a jet axis in an empty cell": ([_particle(0.01, 0.01)], [Jet(100, 0.06, 0.01, 0.1)]),
    "a jet of no width": ([], [Jet(100, 1, 1, 0)]),
    "two jets in a cell, the softer first": ([], [Jet(30, 1, 1, 0.3), Jet(200, 1, 1, 0.1)]),
    "leptons of both charges in a cell": (
        [_particle(1, 1, kind, -kind // abs(kind)) for kind in (11, -11, 13, -13, 13)],
        [],
    ),
    "charges that cancel": ([_particle(1, 1, 211, 1), _particle(1, 1, -211, -1)], []),
    "hadrons and pi0": ([_particle(0, 0, kind, 0) for kind in (111, 22, 130, 2112)], []),
    "one direction, two azimuths": ([_particle(0, math.pi), _particle(0, -math.pi)], []),
    "huge and tiny": ([_particle(0, 0, pt=1e30), _particle(0, 0, pt=1e-30)], []),
    "too small for a float": ([], [Jet(1e-60, 0, 0, 1e-60)]),
    "every row": ([_particle(-2.475 + i / 20, 0) for i in range(100)], []),
    "every column": ([_particle(0, -3.125 + i / 20) for i in range(126)], []),
}


@pytest.mark.parametrize("name", AWKWARD)
def test_image_of_an_awkward_event_is_that_of_the_reference(builder: Builder, name: str) -> None:
    event = AWKWARD[name]
    _assert_equal_to_reference(_image(builder, event), event)


def test_a_full_grid_is_read_out_in_rows_and_then_columns(builder: Builder) -> None:
    builder.fill_every_cell()
    sparse = builder.read_out()
    assert sparse.cells == [(i, j) for i in range(100) for j in range(126)]
    assert (sparse.values[:, reference.N_PART] == 1).all()


def test_what_particles_are_made_of_sets_the_fractions_of_a_cell(builder: Builder) -> None:
    cell = [(211, 1, 10.0), (22, 0, 20.0), (-11, 1, 30.0), (13, -1, 40.0)]
    builder.add([_particle(1, 1, kind, charge, pt) for kind, charge, pt in cell])
    builder.add([Jet(90, 1, 1, 0.25)])
    (values,) = builder.read_out().values.tolist()
    assert values == pytest.approx([100, 4, 1, 40, 30, 0.5, 90, 0.25])


@settings(max_examples=50, deadline=None)
@given(event=events())
def test_what_is_accepted_is_conserved(builder: Builder, event: Event) -> None:
    particles, jets = event
    accepted = builder.add(particles)
    jets_accepted = builder.add(jets)
    values = builder.read_out().values.astype(np.float64)
    inside = [p for p, was_accepted in zip(particles, accepted, strict=True) if was_accepted]
    axes = [j for j, was_accepted in zip(jets, jets_accepted, strict=True) if was_accepted]
    total = values.sum(axis=0)
    assert total[reference.PT_ALL] == pytest.approx(math.fsum(p.pt for p in inside), rel=1e-6)
    assert total[reference.N_PART] == len(inside)
    assert total[reference.CHARGE] == sum(p.charge for p in inside)
    assert total[reference.PT_JET] == pytest.approx(math.fsum(j.pt for j in axes), rel=1e-6)
    assert ((values[:, reference.EMF] >= 0) & (values[:, reference.EMF] <= 1)).all()


def test_reading_out_clears_the_image(builder: Builder) -> None:
    builder.add([_particle(0, 0)])
    assert len(builder.read_out().cells) == 1
    assert builder.read_out().cells == []


def test_many_full_images_do_not_fill_the_builder_up() -> None:
    """The cells' places in it are of 16 bits: six full images have more cells."""
    builder = Builder()
    for _ in range(6):
        builder.fill_every_cell()
        sparse = builder.read_out()
        assert (sparse.values[:, reference.N_PART] == 1).all()
