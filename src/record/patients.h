// The registry of patients: a projection of the authoritative ADT feeds, imports and operators' changes, in journal
// order.
//
//   PatientWriter patients(derived->writer());                  // follower: one thread, inside a batch
//   MN_TRY(applied, patients.apply(event, seq));
//
//   PatientRegistry registry(reader.database());                // any thread with a reading connection
//   MN_TRY(found, registry.verify(claim));
//   if (found.match == PatientMatch::kMatch) use(found.patient);
//
// Rules
// - An identifier (domain, value) belongs to one patient for ever: it is created with the first event that names it.
// Since
//   one thread applies all events in journal order, feeds that announce one new patient at once can only ever make one.
// - A merge (A40, A34) makes one patient survive: the other is kept whole and points to the survivor. Whatever asks for
// an
//   identifier of the merged one gets the survivor, through any number of merges. Unmerging (an operator's change)
//   removes the pointer; what was told of the survivor meanwhile stays with the survivor. A merge that would close a
//   circle, or whose prior patient was already merged into somebody else, is refused and recorded.
// - Replays and late copies never regress newer state: demographics, each visit, and the merges of a patient have a
// clock
//   each; an event older than the clock (EVN-2, else MSH-7) is recorded and not applied. A sender's clock that is ahead
//   counts at most kRegistryClockAheadMax beyond the time of receipt.
// - Everything that came is in the history with what became of it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "record/identity.h"
#include "store/index/projection.h"

namespace minato {

class Sqlite;
struct Entry;

// A sender's clock that is further ahead must not make all later events stale.
inline constexpr Duration kRegistryClockAheadMax = std::chrono::hours(24);

// One trigger event about one patient, as read from an authoritative feed (see adt.h) or a row of an import.
struct PatientEvent {
  std::string code = {};  // "A01"; see event_effect()
  Time happened = {};     // EVN-2, else MSH-7, else `received`
  Time received = {};     // of the journal record
  std::string source = {};
  std::vector<Identifier> identifiers = {};  // PID-3; the first known one says who it is
  std::vector<Identifier> prior = {};        // MRG-1; for A24 and A37 the other PID's identifiers
  Demographics demographics = {};
  std::optional<VisitClaim> visit = {};
  std::optional<std::vector<ProviderClaim>> primary_providers = {};  // PD1-4, and ROL with role PP
};

enum class PatientOutcome : std::uint8_t {
  kApplied,
  kStale,                 // older than what is applied: nothing of it was taken
  kRepeated,              // a merge, link or cancellation that is in force already
  kCircularMerge,         // refused: the survivor was merged into the prior patient before
  kPriorMergedElsewhere,  // refused: the prior patient was already merged into somebody else
  kNothingToCancel,       // A11, A12, A13 … without what they cancel
  kIdentifierConflict,    // applied to the first identifier's patient; another identifier belongs to somebody else
  kNoIdentifier,          // refused: PID-3 (or MRG-1 of a merge) is empty
  kNotForRegistry,        // recorded only: this event changes no patient
};
std::string_view name(PatientOutcome outcome);  // "applied", "circular-merge" …

struct PatientApplied {
  PatientOutcome outcome = PatientOutcome::kNotForRegistry;
  PatientId patient = {};  // the surviving one; 0 when there is none
  bool created = false;
};

// docs/formats/registry.md has the columns. Each row is a patient as an event with the code "import" tells of one;
// `source` and times are the caller's to fill in. kRefused: all faults in the text with their lines (at most
// kRegistryCsvFaultsShown), and nothing is taken.
struct PatientImport {
  PatientEvent event = {};
  std::optional<bool> notifications_refused = {};
};
Result<std::vector<PatientImport>> parse_patient_csv(std::string_view csv);
// Whether the `change` of a kRegistryChange record with what = "patients" can be applied, as far as its form goes.
// kRefused says what is wrong with it.
Status check_patient_change(std::string_view change_json);

// The writing side. Keeps no state between calls: the database is all.
class PatientWriter {
 public:
  static ProjectionSchema schema();
  explicit PatientWriter(Sqlite& writer) : db_(writer) {}

  // Errors are those of the database only; whatever the event says ends in an outcome and in the history.
  Result<PatientApplied> apply(const PatientEvent& event, Seq seq);
  // kRegistryImport and kRegistryChange records whose `what` is "patients" (docs/formats/registry.md); others are
  // passed over. A record that cannot be applied is noted in the registry log.
  Status apply(const Entry& entry);

 private:
  Sqlite& db_;
};

enum class VisitState : std::uint8_t { kExpected, kActive, kDischarged, kCancelled };
std::string_view name(VisitState state);

struct Visit {
  std::string number = {}, patient_class = {}, location = {}, prior_location = {};
  std::vector<ProviderClaim> attending = {};
  std::optional<Time> admitted = {}, discharged = {};
  VisitState state = VisitState::kActive;
};

struct Patient {
  PatientId id = {};
  std::optional<PatientId> merged_into = {};  // the next one, not the end of the chain
  std::vector<Identifier> identifiers = {};   // its own
  Demographics demographics = {};             // no member is nullopt
  std::vector<ProviderClaim> primary_providers = {};
  std::vector<Visit> visits = {};      // newest change first
  std::vector<PatientId> merged = {};  // those merged directly into this one
  std::vector<PatientId> linked = {};  // A24
  bool notifications_refused = false;  // of this patient or of any merged into this one
};

struct PatientHistoryEntry {
  Seq seq = {};
  PatientId patient = {};  // the one it was recorded for: this one, or one merged into it
  std::string code = {};   // event, or "import", "unmerge" …
  Time happened = {};
  PatientOutcome outcome = PatientOutcome::kApplied;
};

struct DemographicsQuery {
  std::string name = {};        // family, or family and given in any order of writing them; any representation
  std::string birth_date = {};  // YYYYMMDD; one of both must be given
  std::string sex = {};
};

enum class PatientMatch : std::uint8_t {
  kMatch,
  kNoIdentifier,         // the message names none
  kUnknownIdentifier,    // none of them is in the registry
  kIdentifiersDiffer,    // they belong to different patients
  kDemographicsDiffer,   // `fields` contradict
  kDemographicsMissing,  // neither a full name nor a full birth date could be compared
};
std::string_view name(PatientMatch match);

struct PatientVerification {
  PatientMatch match = PatientMatch::kNoIdentifier;
  PatientId patient = {};                // the surviving one, when an identifier was found
  std::vector<std::string> fields = {};  // "PID-5", "PID-7", "PID-8": names, never values
};

// The rule by which a message's patient is held against the registry's (`known`), demographics alone:
// - A value that either side lacks is not compared; sex U counts as lacking.
// - Name (PID-5): equal when any of the message's names equals any of the registry's, whatever the representation:
// family
//   and given together, folded by fold_name() (width, case, accents, kana, blanks and punctuation do not count). A
//   message name without given name is compared with the family names.
// - Birth date (PID-7): equal up to the shorter of both precisions. Sex (PID-8): equal.
// - Any that differs: kDemographicsDiffer. Otherwise at least a full name or a birth date to the day must have been
//   compared and equal, else kDemographicsMissing.
PatientVerification compare_demographics(const PatientClaim& claim, const Demographics& known);

// The reading side, over one reading connection (or the writer's, inside a batch). One thread at a time.
class PatientRegistry {
 public:
  explicit PatientRegistry(Sqlite& reader) : db_(reader) {}

  // The surviving patient to whom the identifier leads; nullopt: unknown.
  Result<std::optional<PatientId>> resolve(const Identifier& identifier);
  // kNotFound. Not resolved: a merged patient is shown as such.
  Result<Patient> get(PatientId id);
  // Surviving patients, at most `limit`, lowest id first. kRefused: neither name nor birth date.
  Result<std::vector<PatientId>> find(const DemographicsQuery& query, std::size_t limit);
  // By a value in whatever domain: what a person types.
  Result<std::vector<PatientId>> find_by_value(std::string_view identifier_value, std::size_t limit);
  // Of the patient and of all merged into it, newest first, older than `before`.
  Result<std::vector<PatientHistoryEntry>> history(PatientId id, std::optional<Seq> before, std::size_t limit);
  // At least one identifier must be known, all known ones must lead to one patient, and compare_demographics() must say
  // kMatch for it.
  Result<PatientVerification> verify(const PatientClaim& claim);
  Result<std::uint64_t> count();

 private:
  Sqlite& db_;
};

}  // namespace minato
