// The tables of the patient registry, row by row: docs/formats/registry.md. Internal to the registry.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "record/patients.h"

namespace minato::patient_rows {

struct Row {
  PatientId id = {};
  std::optional<PatientId> merged_into = {};  // the next one
  std::optional<PatientId> survivor = {};     // the end of the chain; set when merged_into is
  Demographics demographics = {};             // nullopt: never said
  std::vector<ProviderClaim> primary_providers = {};
  std::optional<Time> demographics_at = {};  // clock of the demographics
  std::optional<Time> merges_at = {};        // clock of this patient being merged and unmerged
  bool notifications_refused = false;
  PatientId end() const { return survivor.value_or(id); }
};

Result<PatientId> create(Sqlite& db);
Result<Row> read(Sqlite& db, PatientId id);  // kNotFound
// Writes all but the merge pointers, and the search terms for what changed between the two.
Status write(Sqlite& db, const Row& before, const Row& after);

// To whom the identifier was given, before merges.
Result<std::optional<PatientId>> owner(Sqlite& db, const Identifier& identifier);
Result<std::vector<Identifier>> identifiers(Sqlite& db, PatientId id);
// Gives an identifier that nobody has.
Status give(Sqlite& db, const Identifier& identifier, PatientId to);

// `prior`, with all merged into it, now leads to `survivor` (an end) by way of `into`.
Status merge(Sqlite& db, PatientId prior, PatientId into, PatientId survivor, Time clock);
// `prior` is an end again, with all that were merged into it.
Status unmerge(Sqlite& db, PatientId prior, Time clock);
// The patient and all merged into it, directly or not.
Result<std::vector<PatientId>> tree(Sqlite& db, PatientId id);

struct VisitRow {
  PatientId patient = {};  // who it was told of: a merge leaves it there
  Visit visit = {};
  std::optional<Time> clock = {};
};
// Of the patient or of any merged into it.
Result<std::optional<VisitRow>> find_visit(Sqlite& db, PatientId end, std::string_view number);
Result<std::vector<VisitRow>> visits(Sqlite& db, PatientId end);  // newest clock first
Status write_visit(Sqlite& db, const VisitRow& row);

Status link(Sqlite& db, PatientId a, PatientId b);
Result<bool> linked(Sqlite& db, PatientId a, PatientId b);
Status unlink(Sqlite& db, PatientId a, PatientId b);

Status remember(Sqlite& db, const PatientHistoryEntry& entry);

// Search terms: hashes of folded names and of the birth date.
std::vector<std::int64_t> terms(const Demographics& demographics);
std::int64_t name_term(std::string_view folded);
std::int64_t birth_date_term(std::string_view birth_date);
Result<std::vector<PatientId>> with_term(Sqlite& db, std::int64_t term, std::size_t limit);

}  // namespace minato::patient_rows
