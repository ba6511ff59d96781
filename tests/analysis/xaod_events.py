"""Write files in the layouts of ATLAS derivations, with two events each, in MeV."""

from __future__ import annotations

import subprocess
import sys
import uuid
from pathlib import Path

from cpp_helpers import load_root
from tests.conftest import REPOSITORY

Columns = dict[str, str]

EVENT: Columns = {
    "EventInfoAuxDyn.runNumber": "300000u",
    "EventInfoAuxDyn.eventNumber": "(unsigned long long)rdfentry_ + 5000000000ull",
    "EventInfoAuxDyn.mcChannelNumber": "364700u",
    "EventInfoAuxDyn.mcEventWeights": "std::vector<float>{rdfentry_ == 0 ? -2.f : 3.f, 9.f}",
}

# A charged pion and a photon, back to back with a muon and a neutrino; a second pion that has
# interacted, what came of it, and a particle at an intermediate step.
PARTICLES: Columns = {
    "px": "{50e3f, 10e3f, -40e3f, -20e3f, 5e3f, 8e3f}",
    "py": "{0.f, 10e3f, 0.f, -10e3f, 5e3f, 0.f}",
    "pz": "{10e3f, 0.f, 5e3f, 0.f, 0.f, 0.f}",
    "e": "{51e3f, 14.2e3f, 40.4e3f, 22.4e3f, 7.1e3f, 8e3f}",
    "pdgId": "{211, 22, 13, -14, 211, 23}",
    "status": "{1, 1, 1, 1, 1, 62}",
    "barcode": "{11, 12, 13, 14, 200005, 3}",
}
SUMS: Columns = {
    "CutBookkeepersAux.name": (
        'std::vector<std::string>{"AllExecutedEvents", "AllExecutedEvents", "Kernel",'
        ' "AllExecutedEvents"}'
    ),
    "CutBookkeepersAux.inputStream": (
        'std::vector<std::string>{"StreamAOD", "StreamAOD", "StreamAOD", "StreamEVGEN"}'
    ),
    "CutBookkeepersAux.cycle": "std::vector<int>{0, 2, 2, 5}",
    "CutBookkeepersAux.sumOfEventWeights": "std::vector<double>{1., 100. + rdfentry_, 3., 4.}",
    "CutBookkeepersAux.sumOfEventWeightsSquared": "std::vector<double>{1., 1000., 3., 4.}",
}


def vectors(container: str, **values: str) -> Columns:
    """Return variables of a container: floats where a number ends in f, else ints."""
    return {
        f"{container}{name}": f"std::vector<{_kind(text)}>{text}" for name, text in values.items()
    }


def _kind(text: str) -> str:
    return "float" if text.endswith("f}") or text == "{}" else "int"


def truth1() -> Columns:
    """Return all particles and their jets as in old releases, with fixed sets of variables."""
    return EVENT | {
        **vectors("TruthParticlesAux.", **PARTICLES),
        **vectors("AntiKt4TruthJetsAux.", pt="{60e3f}", eta="{0.2f}", phi="{0.1f}", m="{5e3f}"),
    }


def truth3() -> Columns:
    """Return lists of leptons without a full list of particles."""
    return EVENT | {
        **vectors(
            "AntiKt4TruthDressedWZJetsAux.",
            pt="{70e3f, 30e3f}",
            eta="{1.f, -1.f}",
            phi="{2.f, 3.f}",
            m="{7e3f, 3e3f}",
        ),
        **vectors("AntiKt4TruthDressedWZJetsAuxDyn.", HadronConeExclTruthLabelID="{5, 0}"),
        **vectors(
            "TruthElectronsAuxDyn.",
            px="{20e3f, 30e3f}",
            pdgId="{11, -11}",
            pt_dressed="{25e3f, 31e3f}",
            eta_dressed="{0.5f, 0.6f}",
            phi_dressed="{1.f, 2.f}",
        ),
        "TruthElectronsAuxDyn.classifierParticleType": "std::vector<unsigned int>{2u, 3u}",
        "TruthElectronsAuxDyn.classifierParticleOrigin": "std::vector<unsigned int>{12u, 26u}",
        **vectors("TruthMuonsAuxDyn.", px="{0.f}", py="{-40e3f}", pz="{30e3f}", pdgId="{-13}"),
        **vectors("TruthPhotonsAuxDyn.", px="{9e3f, 12e3f}", py="{0.f, 0.f}", pz="{0.f, 0.f}"),
        **vectors("TruthPhotonsAuxDyn.", pdgId="{22, 22}"),
        **{
            f"TruthTausAuxDyn.{part}_vis": f"std::vector<double>{{{value}, 1.}}"
            for part, value in (("pt", "20e3"), ("eta", "0.1"), ("phi", "0.2"), ("m", "800."))
        },
        "TruthTausAuxDyn.IsHadronicTau": "std::vector<char>{1, 0}",
        **vectors("TruthTausAuxDyn.", pdgId="{15, -15}"),
        "MET_TruthAuxDyn.name": 'std::vector<std::string>{"Int", "NonInt"}',
        **vectors("MET_TruthAuxDyn.", mpx="{1e3f, 30e3f}", mpy="{1e3f, 0.f}"),
    }


def _char(values: str) -> str:
    return f"std::vector<char>{{{values}}}"


def _physlite_jets() -> Columns:
    """Return three jets, one from pile-up, one an electron; discriminants are in another order."""
    return {
        **vectors(
            "AnalysisJetsAuxDyn.",
            pt="{100e3f, 40e3f, 30e3f}",
            eta="{0.5f, 1.f, -2.f}",
            phi="{0.f, 1.f, 2.f}",
            m="{9e3f, 5e3f, 4e3f}",
            Width="{0.1f, 0.2f, 0.3f}",
        ),
        "AnalysisJetsAuxDyn.NNJvtPass": _char("1, 1, 0"),
        "AnalysisJetsAuxDyn.SumPtTrkPt500": (
            "std::vector<std::vector<float>>{{60e3f}, {30e3f}, {4e3f}}"
        ),
        "AnalysisJetsAuxDyn.btaggingLink.m_persIndex": "std::vector<unsigned int>{2u, 1u, 0u}",
        **vectors(
            "BTagging_AntiKt4EMPFlowAuxDyn.",
            DL1dv01_pb="{0.1f, 0.1f, 0.98f}",
            DL1dv01_pc="{0.1f, 0.1f, 0.01f}",
            DL1dv01_pu="{0.8f, 0.8f, 0.01f}",
        ),
    }


def _physlite_electrons() -> Columns:
    """Return two electrons, the first one identified, with tracks and vertices."""
    return {
        **vectors(
            "AnalysisElectronsAuxDyn.",
            pt="{38e3f, 12e3f}",
            eta="{1.01f, -1.f}",
            phi="{1.01f, -3.f}",
            charge="{-1.f, 1.f}",
            topoetcone20="{1e3f, 9e3f}",
            ptvarcone30_Nonprompt_All_MaxWeightTTVALooseCone_pt1000="{1e3f, 0.f}",
        ),
        "AnalysisElectronsAuxDyn.DFCommonElectronsLHLoose": _char("1, 0"),
        "AnalysisElectronsAuxDyn.DFCommonElectronsLHTight": _char("1, 0"),
        **vectors(
            "GSFTrackParticlesAuxDyn.",
            d0="{9.f, 0.04f}",
            z0="{9.f, 1.2f}",
            vz="{0.f, -0.1f}",
            phi="{0.f, 1.01f}",
        ),
        "GSFTrackParticlesAuxDyn.theta": (
            "std::vector<float>{1.f, float(2 * std::atan(std::exp(-1.01)))}"
        ),
        "GSFTrackParticlesAuxDyn.definingParametersCovMatrixDiag": (
            "std::vector<std::vector<float>>{{1.f}, {1e-4f}}"
        ),
        "PrimaryVerticesAuxDyn.vertexType": "std::vector<short>{3, 1}",
        **vectors("PrimaryVerticesAuxDyn.", z="{50.f, 1.f}"),
    }


def _physlite_taus_and_photons() -> Columns:
    """Return taus and photons; the first of each is identified and is the electron."""
    return {
        **vectors(
            "AnalysisTauJetsAuxDyn.",
            pt="{40e3f, 50e3f}",
            eta="{1.f, 2.f}",
            phi="{1.f, -2.f}",
            m="{1e3f, 1e3f}",
            charge="{-1.f, 1.f}",
        ),
        "AnalysisTauJetsAuxDyn.isTauFlags": "std::vector<unsigned int>{1u << 30, 1u << 29}",
        **vectors(
            "AnalysisPhotonsAuxDyn.",
            pt="{36e3f, 60e3f, 70e3f}",
            eta="{1.f, -2.f, 2.f}",
            phi="{1.f, 2.f, 3.f}",
            topoetcone20="{1e3f, 0.f, 5e3f}",
            ptcone20="{1e3f, 0.f, 0.f}",
        ),
        "AnalysisPhotonsAuxDyn.DFCommonPhotonsIsEMTight": _char("1, 0, 1"),
    }


def physlite() -> Columns:
    """Return the columns of PHYSLITE, with objects that fail the identification."""
    return {
        **EVENT,
        **{f"EventInfoAuxDyn.beamPosSigma{axis}": "0.f" for axis in ("X", "Y", "XY")},
        **_physlite_jets(),
        **_physlite_electrons(),
        **vectors(
            "AnalysisMuonsAuxDyn.",
            pt="{20e3f, 15e3f}",
            eta="{-0.5f, 0.f}",
            phi="{-1.f, 0.f}",
            charge="{1.f, 1.f}",
        ),
        "AnalysisMuonsAuxDyn.quality": "std::vector<unsigned char>{9, 3}",
        **_physlite_taus_and_photons(),
        "MET_Core_AnalysisMETAuxDyn.name": (
            'std::vector<std::string>{"SoftClusCore", "PVSoftTrkCore"}'
        ),
        **vectors("MET_Core_AnalysisMETAuxDyn.", mpx="{9e3f, -1e3f}", mpy="{9e3f, 2e3f}"),
    }


def write(path: Path, **trees: Columns) -> Path:
    """Write trees of two entries each."""
    body = [f'TFile file("{path}", "RECREATE");', "long long rdfentry_ = 0;"]
    for tree, columns in trees.items():
        body.append(f'TTree {tree}("{tree}", "");')
        for i, (name, value) in enumerate(columns.items()):
            body.append(f'auto {tree}_{i} = {value}; {tree}.Branch("{name}", &{tree}_{i});')
        fill = " ".join(f"{tree}_{i} = {value};" for i, value in enumerate(columns.values()))
        body.append(f"for (rdfentry_ = 0; rdfentry_ < 2; ++rdfentry_) {{ {fill} {tree}.Fill(); }}")
    function = f"write_{uuid.uuid4().hex}"
    interpreter = load_root().gInterpreter
    assert interpreter.Declare(
        f"#include <TFile.h>\n#include <TTree.h>\nvoid {function}() {{ {' '.join(body)}"
        " file.Write(); }"
    )
    interpreter.ProcessLine(f"{function}();")
    return path


_WHOLE_SUMS = """
#include <TFile.h>
#include <TTree.h>
#include <string>
#include <vector>
struct Store { int unused = 0; };
struct Books : Store {
  std::vector<unsigned> nameIdentifier{1, 2};
  std::vector<std::string> name{"AllExecutedEvents", std::string(300, 'K')};
  std::vector<std::vector<std::string>> outputStreams{{"a", "b"}, {}};
  std::vector<int> cycle{2, 2};
  std::vector<std::string> inputStream{"StreamAOD", "StreamAOD"};
  std::vector<double> sumOfEventWeights{100., 3.}, sumOfEventWeightsSquared{1000., 3.};
};
void write_sums(const char *path) {
  TFile file(path, "UPDATE");
  TTree tree("MetaData", "");
  Books books;
  tree.Branch("CutBookkeepersAux.", &books, 32000, 0);
  tree.Fill();
  file.Write();
}
"""


def add_whole_sums(path: Path) -> None:
    """Bookkeeping whose members are not branches of their own; by another process, so that this one
    does not know their class."""
    code = (
        "import sys; from cpp_helpers import load_root; root = load_root();"
        "root.gErrorIgnoreLevel = root.kError;"
        "root.gInterpreter.Declare(sys.argv[1]); root.write_sums(sys.argv[2])"
    )
    arguments = [sys.executable, "-c", code, _WHOLE_SUMS, str(path)]
    subprocess.run(arguments, cwd=REPOSITORY, check=True)
