#include "record/patients.h"

#include <algorithm>
#include <numeric>
#include <tuple>

#include "base/limits.h"
#include "record/fold.h"
#include "record/patient_rows.h"
#include "store/sql/sqlite.h"

namespace minato {

std::string_view name(PatientOutcome outcome) {
  switch (outcome) {
    case PatientOutcome::kApplied:
      return "applied";
    case PatientOutcome::kStale:
      return "stale";
    case PatientOutcome::kRepeated:
      return "repeated";
    case PatientOutcome::kCircularMerge:
      return "circular-merge";
    case PatientOutcome::kPriorMergedElsewhere:
      return "prior-merged-elsewhere";
    case PatientOutcome::kNothingToCancel:
      return "nothing-to-cancel";
    case PatientOutcome::kIdentifierConflict:
      return "identifier-conflict";
    case PatientOutcome::kNoIdentifier:
      return "no-identifier";
    case PatientOutcome::kNotForRegistry:
      return "not-for-registry";
  }
  return "unknown";
}

std::string_view name(VisitState state) {
  switch (state) {
    case VisitState::kExpected:
      return "expected";
    case VisitState::kActive:
      return "active";
    case VisitState::kDischarged:
      return "discharged";
    case VisitState::kCancelled:
      return "cancelled";
  }
  return "unknown";
}

std::string_view name(PatientMatch match) {
  switch (match) {
    case PatientMatch::kMatch:
      return "match";
    case PatientMatch::kNoIdentifier:
      return "no-identifier";
    case PatientMatch::kUnknownIdentifier:
      return "unknown-identifier";
    case PatientMatch::kIdentifiersDiffer:
      return "identifiers-differ";
    case PatientMatch::kDemographicsDiffer:
      return "demographics-differ";
    case PatientMatch::kDemographicsMissing:
      return "demographics-missing";
  }
  return "unknown";
}

namespace {

Result<std::vector<PatientId>> id_list(SqliteRows rows) {
  std::vector<PatientId> found;
  while (true) {
    MN_TRY(more, rows.step());
    if (!more) return found;
    found.push_back(PatientId{rows.integer(0)});
  }
}

void fill_absent(Demographics& d) {
  if (!d.names) d.names.emplace();
  if (!d.birth_date) d.birth_date.emplace();
  if (!d.sex) d.sex.emplace();
  if (!d.addresses) d.addresses.emplace();
  if (!d.phones) d.phones.emplace();
  if (!d.death_time) d.death_time.emplace();
}

bool has_name(const Demographics& d, std::string_view folded) {
  const auto none = std::vector<PersonName>();
  return std::ranges::any_of(d.names ? *d.names : none, [&](const PersonName& n) {
    const std::string family = fold_name(n.family);
    const std::string given = fold_name(n.given);
    return folded == family || folded == family + given || folded == given + family;
  });
}

bool agrees(const Demographics& d, const DemographicsQuery& query, std::string_view folded) {
  return (folded.empty() || has_name(d, folded)) && (query.birth_date.empty() || d.birth_date == query.birth_date) &&
         (query.sex.empty() || d.sex == query.sex);
}

}  // namespace

Result<std::optional<PatientId>> PatientRegistry::resolve(const Identifier& identifier) {
  MN_TRY(found, db_.query_integer("SELECT ifnull(p.survivor, p.id) FROM patient_identifier i"
                                  " JOIN patient p ON p.id = i.patient WHERE i.value = $1 AND i.domain ="
                                  " (SELECT id FROM patient_domain WHERE name = $2)",
                                  identifier.value, identifier.domain));
  return found ? std::optional(PatientId{*found}) : std::nullopt;
}

Result<Patient> PatientRegistry::get(PatientId id) {
  MN_TRY(row, patient_rows::read(db_, id));
  Patient patient;
  patient.id = id;
  patient.merged_into = row.merged_into;
  MN_TRY(identifiers, patient_rows::identifiers(db_, id));
  patient.identifiers = std::move(identifiers);
  patient.demographics = std::move(row.demographics);
  fill_absent(patient.demographics);
  patient.primary_providers = std::move(row.primary_providers);
  MN_TRY(visits, patient_rows::visits(db_, id));
  for (auto& visit : visits) patient.visits.push_back(std::move(visit.visit));
  MN_TRY(merged, db_.query("SELECT id FROM patient WHERE survivor = $1 AND merged_into = $2 ORDER BY id",
                           row.end().value, id.value));
  MN_TRY(merged_ids, id_list(std::move(merged)));
  patient.merged = std::move(merged_ids);
  MN_TRY(linked, db_.query("SELECT b FROM patient_link WHERE a = $1 ORDER BY b", id.value));
  MN_TRY(linked_ids, id_list(std::move(linked)));
  patient.linked = std::move(linked_ids);
  MN_TRY(refused, db_.query_integer("SELECT max(refused) FROM patient WHERE id = $1 OR survivor = $1", id.value));
  patient.notifications_refused = refused.value_or(0) != 0;
  return patient;
}

Result<std::vector<PatientId>> PatientRegistry::find(const DemographicsQuery& query, std::size_t limit) {
  const std::string folded = fold_name(query.name);
  if (folded.empty() && query.birth_date.empty()) {
    return fail(Errc::kRefused, "a search by demographics needs a name or a birth date");
  }
  // The rarer of both first: a birth date has some 30 patients in a million, a family name may have 15,000.
  const auto term =
      query.birth_date.empty() ? patient_rows::name_term(folded) : patient_rows::birth_date_term(query.birth_date);
  MN_TRY(candidates, patient_rows::with_term(db_, term, kRegistryCandidatesMax));
  std::vector<PatientId> found;
  for (const auto id : candidates) {
    if (found.size() >= std::min(limit, kRegistryPageMax)) break;
    MN_TRY(row, patient_rows::read(db_, id));
    if (!agrees(row.demographics, query, folded)) continue;
    if (std::ranges::find(found, row.end()) == found.end()) found.push_back(row.end());
  }
  std::ranges::sort(found);
  return found;
}

Result<std::vector<PatientId>> PatientRegistry::find_by_value(std::string_view identifier_value, std::size_t limit) {
  MN_TRY(rows, db_.query("SELECT DISTINCT ifnull(p.survivor, p.id) FROM patient_identifier i"
                         " JOIN patient p ON p.id = i.patient WHERE i.value = $1 ORDER BY 1 LIMIT $2",
                         identifier_value, std::min(limit, kRegistryPageMax)));
  return id_list(std::move(rows));
}

Result<std::vector<PatientHistoryEntry>> PatientRegistry::history(PatientId id, std::optional<Seq> before,
                                                                  std::size_t limit) {
  std::vector<PatientHistoryEntry> entries;
  std::vector<PatientId> tree{id};
  if (id.value != 0) {  // 0: what could be laid to nobody
    MN_TRY(all, patient_rows::tree(db_, id));
    tree = std::move(all);
  }
  limit = std::min(limit, kRegistryPageMax);
  for (const auto member : tree) {
    MN_TRY(rows, db_.query("SELECT seq, code, happened, outcome FROM patient_history WHERE patient = $1 AND seq < $2"
                           " ORDER BY seq DESC, ordinal DESC LIMIT $3",
                           member.value, before.value_or(Seq{INT64_MAX}), limit));
    while (true) {
      MN_TRY(more, rows.step());
      if (!more) break;
      entries.push_back({.seq = rows.seq(0),
                         .patient = member,
                         .code = std::string(rows.text(1)),
                         .happened = rows.time(2),
                         .outcome = static_cast<PatientOutcome>(rows.integer(3))});
    }
  }
  // Of one record, the later change comes first within a patient, and patients in their order: as they were read.
  std::vector<std::size_t> order(entries.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::sort(order, [&](std::size_t a, std::size_t b) {
    return std::tuple(entries[b].seq, a) < std::tuple(entries[a].seq, b);
  });
  std::vector<PatientHistoryEntry> sorted;
  for (const auto i : order) sorted.push_back(std::move(entries[i]));
  entries = std::move(sorted);
  if (entries.size() > limit) entries.resize(limit);
  return entries;
}

Result<PatientVerification> PatientRegistry::verify(const PatientClaim& claim) {
  PatientVerification result;
  if (claim.identifiers.empty()) return result;
  std::optional<PatientId> patient;
  for (const auto& identifier : claim.identifiers) {
    MN_TRY(found, resolve(identifier));
    if (!found) continue;
    if (patient && *patient != *found) {
      return PatientVerification{PatientMatch::kIdentifiersDiffer, *patient, {"PID-3"}};
    }
    patient = found;
  }
  if (!patient) return PatientVerification{PatientMatch::kUnknownIdentifier, {}, {"PID-3"}};
  MN_TRY(row, patient_rows::read(db_, *patient));
  result = compare_demographics(claim, row.demographics);
  result.patient = *patient;
  return result;
}

Result<std::uint64_t> PatientRegistry::count() {
  MN_TRY(count, db_.query_integer("SELECT count(*) FROM patient WHERE survivor IS NULL"));
  return static_cast<std::uint64_t>(count.value_or(0));
}

}  // namespace minato
