// What programs of columns are written with: the record of an event and all helpers that need ROOT
// only.
#ifndef MONOJET_PROGRAM_HXX
#define MONOJET_PROGRAM_HXX

#include "objects/atlas.hxx"
#include "objects/candidates.hxx"
#include "objects/cms.hxx"
#include "objects/decay_record.hxx"
#include "objects/functions.hxx"
#include "objects/leptons.hxx"
#include "objects/random.hxx"
#include "objects/truth.hxx"
#include "rdf/convert.hxx"
#include "rdf/event_summary.hxx"
#include "rdf/flat_particles.hxx"
#include "rdf/gather.hxx"
#include "rdf/record.hxx"
#include "rdf/same_length.hxx"
#include "rdf/scores.hxx"
#include "three_lepton/rmm.hxx"
#include "three_lepton/three_lepton.hxx"

#include <ROOT/RVec.hxx>
#include <RtypesCore.h>

#include <cmath>
#include <string>
#include <vector>

#endif
