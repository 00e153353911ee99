// How one event changes the registry. Everything here is decided from the event and the tables alone, so that a replay
// of the journal makes the same registry again.
#include <algorithm>

#include "base/limits.h"
#include "record/patient_events.h"
#include "record/patient_rows.h"
#include "store/sql/sqlite.h"

namespace minato {
namespace {

using patient_rows::Row;
using patient_rows::VisitRow;

Time clock_of(const PatientEvent& event) { return std::min(event.happened, event.received + kRegistryClockAheadMax); }

bool is_older(Time clock, const std::optional<Time>& than) { return than && clock < *than; }

// What became of one part of an event.
enum class Part : std::uint8_t { kAbsent, kApplied, kStale, kNothingToCancel };

template <typename T>
void take(std::optional<T>& known, const std::optional<T>& said) {
  if (said) known = said;
}

class Applier {
 public:
  Applier(Sqlite& db, const PatientEvent& event, Seq seq)
      : db_(db), event_(event), seq_(seq), clock_(clock_of(event)) {}
  Result<PatientApplied> apply();

 private:
  struct Who {
    std::optional<PatientId> owner;  // before merges
    std::optional<PatientId> end;    // after
    bool conflict = false;           // another identifier leads to somebody else
  };
  Result<Who> who(const std::vector<Identifier>& identifiers);
  Result<PatientId> ensure(const std::vector<Identifier>& identifiers, Who& who);
  Status give_new(const std::vector<Identifier>& identifiers, PatientId to);

  Result<PatientApplied> update();
  Result<PatientApplied> merge();
  Result<PatientApplied> change_identifier();
  Result<PatientApplied> link();
  Result<PatientOutcome> merge_outcome(const Who& survivor, const Who& prior);
  Result<bool> passes(PatientId from, PatientId through);

  Result<Part> take_demographics(PatientId id);
  Result<Part> take_visit(PatientId end);
  Part change(VisitRow& row, bool known) const;
  void describe(Visit& visit) const;

  Result<PatientApplied> finish(PatientOutcome outcome, PatientId patient, std::optional<PatientId> also = {});

  Sqlite& db_;
  const PatientEvent& event_;
  Seq seq_;
  Time clock_;
  bool created_ = false;
};

Result<PatientApplied> Applier::apply() {
  const auto action = event_effect(event_.code).patient;
  const bool needs_prior = action != PatientAction::kNone && action != PatientAction::kUpdate;
  if (event_.identifiers.empty() || (needs_prior && event_.prior.empty())) {
    return finish(action == PatientAction::kNone ? PatientOutcome::kNotForRegistry : PatientOutcome::kNoIdentifier, {});
  }
  switch (action) {
    case PatientAction::kNone:
      break;
    case PatientAction::kUpdate:
      return update();
    case PatientAction::kMerge:
      return merge();
    case PatientAction::kChangeIdentifier:
      return change_identifier();
    case PatientAction::kLink:
    case PatientAction::kUnlink:
      return link();
  }
  MN_TRY(found, who(event_.identifiers));
  return finish(PatientOutcome::kNotForRegistry, found.end.value_or(PatientId{}));
}

Result<Applier::Who> Applier::who(const std::vector<Identifier>& identifiers) {
  Who found;
  for (const auto& identifier : identifiers) {
    MN_TRY(owner, patient_rows::owner(db_, identifier));
    if (!owner) continue;
    MN_TRY(row, patient_rows::read(db_, *owner));
    if (!found.owner) {
      found.owner = owner;
      found.end = row.end();
    }
    found.conflict = found.conflict || row.end() != *found.end;
  }
  return found;
}

Result<PatientId> Applier::ensure(const std::vector<Identifier>& identifiers, Who& who) {
  if (!who.end) {
    MN_TRY(id, patient_rows::create(db_));
    who.owner = who.end = id;
    created_ = true;
  }
  MN_CHECK(give_new(identifiers, *who.end));
  return *who.end;
}

Status Applier::give_new(const std::vector<Identifier>& identifiers, PatientId to) {
  for (const auto& identifier : identifiers) {
    MN_TRY(owner, patient_rows::owner(db_, identifier));
    if (!owner) MN_CHECK(patient_rows::give(db_, identifier, to));
  }
  return {};
}

Result<PatientApplied> Applier::update() {
  MN_TRY(found, who(event_.identifiers));
  if (found.end) {
    // Identifiers come with the demographics: a stale event brings neither.
    MN_TRY(row, patient_rows::read(db_, *found.end));
    if (!is_older(clock_, row.demographics_at)) MN_CHECK(give_new(event_.identifiers, *found.end));
  } else {
    MN_CHECK(ensure(event_.identifiers, found));
  }
  MN_TRY(demographics, take_demographics(*found.end));
  MN_TRY(visit, take_visit(*found.end));
  PatientOutcome outcome = PatientOutcome::kApplied;
  if (visit == Part::kNothingToCancel) {
    outcome = PatientOutcome::kNothingToCancel;
  } else if (demographics == Part::kStale && visit != Part::kApplied) {
    outcome = PatientOutcome::kStale;
  } else if (found.conflict) {
    outcome = PatientOutcome::kIdentifierConflict;
  }
  return finish(outcome, *found.end);
}

Result<Part> Applier::take_demographics(PatientId id) {
  MN_TRY(before, patient_rows::read(db_, id));
  if (is_older(clock_, before.demographics_at)) return Part::kStale;
  Row after = before;
  take(after.demographics.names, event_.demographics.names);
  take(after.demographics.birth_date, event_.demographics.birth_date);
  take(after.demographics.sex, event_.demographics.sex);
  take(after.demographics.addresses, event_.demographics.addresses);
  take(after.demographics.phones, event_.demographics.phones);
  take(after.demographics.death_time, event_.demographics.death_time);
  if (event_.primary_providers) after.primary_providers = *event_.primary_providers;
  after.demographics_at = clock_;
  MN_CHECK(patient_rows::write(db_, before, after));
  return Part::kApplied;
}

bool cancels(VisitAction action) {
  return action == VisitAction::kCancelAdmit || action == VisitAction::kCancelExpected ||
         action == VisitAction::kCancelTransfer || action == VisitAction::kCancelDischarge;
}

Result<Part> Applier::take_visit(PatientId end) {
  const auto action = event_effect(event_.code).visit;
  if (action == VisitAction::kNone) return Part::kAbsent;
  if (!event_.visit) return cancels(action) ? Part::kNothingToCancel : Part::kAbsent;
  MN_TRY(known, patient_rows::find_visit(db_, end, event_.visit->number));
  // A description of no visit in particular makes none.
  if (!known && action == VisitAction::kDescribe && event_.visit->number.empty()) return Part::kAbsent;
  if (known && is_older(clock_, known->clock)) return Part::kStale;
  VisitRow row = known.value_or(VisitRow{.patient = end, .visit = {}, .clock = {}});
  row.visit.number = event_.visit->number;
  const Part part = change(row, known.has_value());
  if (part != Part::kApplied) return part;
  row.clock = clock_;
  MN_CHECK(patient_rows::write_visit(db_, row));
  return part;
}

void Applier::describe(Visit& visit) const {
  const auto& said = *event_.visit;
  if (said.patient_class) visit.patient_class = *said.patient_class;
  if (said.location) visit.location = *said.location;
  if (said.attending) visit.attending = *said.attending;
  if (said.admitted) visit.admitted = said.admitted;
  if (said.discharged) visit.discharged = said.discharged;
}

Part Applier::change(VisitRow& row, bool known) const {
  Visit& visit = row.visit;
  const Visit before = visit;
  describe(visit);
  switch (event_effect(event_.code).visit) {
    case VisitAction::kNone:
      return Part::kAbsent;
    case VisitAction::kAdmit:
      // A visit without number that has ended makes room for the next one.
      if (known && before.state != VisitState::kActive) {
        visit = Visit{.number = before.number};
        describe(visit);
      }
      visit.state = VisitState::kActive;
      if (!visit.admitted) visit.admitted = event_.happened;
      if (event_.code == "A06" && !event_.visit->patient_class) visit.patient_class = "I";
      if (event_.code == "A07" && !event_.visit->patient_class) visit.patient_class = "O";
      return Part::kApplied;
    case VisitAction::kExpect:
      visit.state = VisitState::kExpected;
      return Part::kApplied;
    case VisitAction::kTransfer:
      if (visit.location != before.location) visit.prior_location = before.location;
      visit.state = VisitState::kActive;
      return Part::kApplied;
    case VisitAction::kDischarge:
      visit.state = VisitState::kDischarged;
      if (!event_.visit->discharged) visit.discharged = event_.happened;
      return Part::kApplied;
    case VisitAction::kDescribe:
      return Part::kApplied;
    case VisitAction::kCancelAdmit:
      if (!known || before.state == VisitState::kCancelled) return Part::kNothingToCancel;
      visit.state = VisitState::kCancelled;
      return Part::kApplied;
    case VisitAction::kCancelExpected:
      if (!known || before.state != VisitState::kExpected) return Part::kNothingToCancel;
      visit.state = VisitState::kCancelled;
      return Part::kApplied;
    case VisitAction::kCancelTransfer:
      if (!known || before.prior_location.empty()) return Part::kNothingToCancel;
      // PV1-3 names where the patient is again; a sender that leaves the cancelled bed in it means the bed before.
      if (visit.location == before.location) visit.location = before.prior_location;
      visit.prior_location.clear();
      return Part::kApplied;
    case VisitAction::kCancelDischarge:
      if (!known || before.state != VisitState::kDischarged) return Part::kNothingToCancel;
      visit.state = VisitState::kActive;
      visit.discharged.reset();
      return Part::kApplied;
  }
  return Part::kAbsent;
}

// Whether the merges that lead on from `from` pass `through`.
Result<bool> Applier::passes(PatientId from, PatientId through) {
  MN_TRY(below, patient_rows::tree(db_, through));
  return from != through && std::ranges::find(below, from) != below.end();
}

Result<PatientOutcome> Applier::merge_outcome(const Who& survivor, const Who& prior) {
  if (!prior.owner) return PatientOutcome::kApplied;
  if (survivor.end == prior.end) {
    MN_TRY(circular, passes(*survivor.owner, *prior.owner));
    return circular ? PatientOutcome::kCircularMerge : PatientOutcome::kRepeated;
  }
  if (*prior.owner != *prior.end) return PatientOutcome::kPriorMergedElsewhere;
  MN_TRY(row, patient_rows::read(db_, *prior.owner));
  return is_older(clock_, row.merges_at) ? PatientOutcome::kStale : PatientOutcome::kApplied;
}

// PID-3 without what MRG-1 names too: many senders list the old identifier among the new ones, and it must not decide
// who survives.
std::vector<Identifier> surviving_identifiers(const PatientEvent& event) {
  std::vector<Identifier> kept;
  for (const auto& identifier : event.identifiers) {
    if (std::ranges::find(event.prior, identifier) == event.prior.end()) kept.push_back(identifier);
  }
  return kept.empty() ? event.identifiers : kept;
}

Result<PatientApplied> Applier::merge() {
  const auto surviving = surviving_identifiers(event_);
  MN_TRY(survivor, who(surviving));
  MN_TRY(prior, who(event_.prior));
  MN_TRY(outcome, merge_outcome(survivor, prior));
  if (outcome != PatientOutcome::kApplied) {
    if (outcome == PatientOutcome::kRepeated) MN_CHECK(take_demographics(*survivor.end));
    return finish(outcome, survivor.end.value_or(PatientId{}), prior.owner);
  }
  MN_TRY(into, ensure(surviving, survivor));
  // Again: the survivor may just have been given what nobody had.
  MN_TRY(merging, who(event_.prior));
  MN_TRY(merged, ensure(event_.prior, merging));
  if (merged == into) return finish(PatientOutcome::kRepeated, into);
  MN_CHECK(patient_rows::merge(db_, merged, *survivor.owner, into, clock_));
  MN_CHECK(take_demographics(into));
  const bool conflict = survivor.conflict || prior.conflict;
  return finish(conflict ? PatientOutcome::kIdentifierConflict : PatientOutcome::kApplied, into, merged);
}

Result<PatientApplied> Applier::change_identifier() {
  MN_TRY(now, who(event_.identifiers));
  MN_TRY(before, who(event_.prior));
  if (now.end && before.end && *now.end != *before.end) {
    return finish(PatientOutcome::kIdentifierConflict, *before.end, *now.end);
  }
  Who& known = before.end ? before : now;
  MN_TRY(patient, ensure(event_.prior, known));
  MN_CHECK(give_new(event_.identifiers, patient));
  MN_CHECK(take_demographics(patient));
  return finish(now.end && before.end ? PatientOutcome::kRepeated : PatientOutcome::kApplied, patient);
}

Result<PatientApplied> Applier::link() {
  MN_TRY(first, who(event_.identifiers));
  MN_TRY(second, who(event_.prior));
  const bool linking = event_effect(event_.code).patient == PatientAction::kLink;
  if (!linking && (!first.end || !second.end)) {
    return finish(PatientOutcome::kNothingToCancel, first.end.value_or(PatientId{}));
  }
  MN_TRY(a, ensure(event_.identifiers, first));
  MN_TRY(other, who(event_.prior));
  MN_TRY(b, ensure(event_.prior, other));
  MN_TRY(there, patient_rows::linked(db_, a, b));
  if (a == b || there == linking) {
    return finish(linking ? PatientOutcome::kRepeated : PatientOutcome::kNothingToCancel, a, b);
  }
  MN_CHECK(linking ? patient_rows::link(db_, a, b) : patient_rows::unlink(db_, a, b));
  return finish(PatientOutcome::kApplied, a, b);
}

Result<PatientApplied> Applier::finish(PatientOutcome outcome, PatientId patient, std::optional<PatientId> also) {
  PatientHistoryEntry entry{
      .seq = seq_, .patient = patient, .code = event_.code, .happened = event_.happened, .outcome = outcome};
  MN_CHECK(patient_rows::remember(db_, entry));
  if (also && *also != patient) {
    entry.patient = *also;
    MN_CHECK(patient_rows::remember(db_, entry));
  }
  return PatientApplied{outcome, patient, created_};
}

}  // namespace

Result<PatientApplied> PatientWriter::apply(const PatientEvent& event, Seq seq) {
  if (event.identifiers.size() <= kRegistryIdentifiersPerEventMax &&
      event.prior.size() <= kRegistryIdentifiersPerEventMax) {
    return Applier(db_, event, seq).apply();
  }
  PatientEvent cut = event;
  cut.identifiers.resize(std::min(cut.identifiers.size(), kRegistryIdentifiersPerEventMax));
  cut.prior.resize(std::min(cut.prior.size(), kRegistryIdentifiersPerEventMax));
  return Applier(db_, cut, seq).apply();
}

}  // namespace minato
