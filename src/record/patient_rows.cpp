#include "record/patient_rows.h"

#include <algorithm>

#include "record/fold.h"
#include "record/pack.h"
#include "store/sql/sqlite.h"

namespace minato {

ProjectionSchema PatientWriter::schema() {
  return {
      .name = "patients",
      .version = 1,
      .sql =
          "CREATE TABLE patient (id INTEGER PRIMARY KEY, merged_into INTEGER, survivor INTEGER, names TEXT,"
          "  birth_date TEXT, sex TEXT, addresses TEXT, phones TEXT, death_time TEXT, providers TEXT,"
          "  demographics_at INTEGER, merges_at INTEGER, refused INTEGER NOT NULL DEFAULT 0);"
          "CREATE INDEX patient_survivor ON patient (survivor) WHERE survivor IS NOT NULL;"
          "CREATE TABLE patient_domain (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
          "CREATE TABLE patient_identifier (value TEXT, domain INTEGER, patient INTEGER NOT NULL,"
          "  PRIMARY KEY (value, domain)) WITHOUT ROWID;"
          "CREATE INDEX patient_identifier_of ON patient_identifier (patient);"
          "CREATE TABLE patient_term (entry INTEGER PRIMARY KEY);"
          "CREATE TABLE patient_visit (patient INTEGER, number TEXT, class TEXT, location TEXT, prior_location TEXT,"
          "  attending TEXT, admitted INTEGER, discharged INTEGER, state INTEGER, clock INTEGER,"
          "  PRIMARY KEY (patient, number)) WITHOUT ROWID;"
          "CREATE TABLE patient_link (a INTEGER, b INTEGER, PRIMARY KEY (a, b)) WITHOUT ROWID;"
          "CREATE TABLE patient_history (patient INTEGER, seq INTEGER, ordinal INTEGER, code TEXT, happened INTEGER,"
          "  outcome INTEGER, PRIMARY KEY (patient, seq, ordinal)) WITHOUT ROWID;",
      .kept_tables = {"patient", "patient_domain", "patient_identifier", "patient_term", "patient_visit",
                      "patient_link", "patient_history"}};
}

namespace patient_rows {
namespace {

// entry := hash: 31 bits | patient: 32 bits
constexpr unsigned kPatientBits = 32;

std::int64_t term_of(char kind, std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;
  const auto add = [&hash](char byte) { hash = (hash ^ static_cast<std::uint8_t>(byte)) * 0x100000001b3; };
  add(kind);
  for (const char byte : text) add(byte);
  hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccd;
  return static_cast<std::int64_t>(hash >> 33);
}

std::int64_t entry_of(std::int64_t term, PatientId id) { return term << kPatientBits | id.value; }

std::optional<std::string> packed_names(const Demographics& d) {
  return d.names ? std::optional(pack::names(*d.names)) : std::nullopt;
}
std::optional<std::string> packed_texts(const std::optional<std::vector<std::string>>& texts) {
  return texts ? std::optional(pack::texts(*texts)) : std::nullopt;
}
std::optional<std::string> text_or_null(const SqliteRows& rows, int column) {
  return rows.is_null(column) ? std::nullopt : std::optional(std::string(rows.text(column)));
}
std::optional<PatientId> id_or_null(const SqliteRows& rows, int column) {
  return rows.is_null(column) ? std::nullopt : std::optional(PatientId{rows.integer(column)});
}
std::optional<std::vector<std::string>> texts_or_null(const SqliteRows& rows, int column) {
  return rows.is_null(column) ? std::nullopt : std::optional(pack::texts_of(rows.text(column)));
}

Result<std::vector<PatientId>> ids(SqliteRows rows) {
  std::vector<PatientId> found;
  while (true) {
    MN_TRY(more, rows.step());
    if (!more) return found;
    found.push_back(PatientId{rows.integer(0)});
  }
}

Result<std::int64_t> domain_id(Sqlite& db, std::string_view name) {
  MN_TRY(known, db.query_integer("SELECT id FROM patient_domain WHERE name = $1", name));
  if (known) return *known;
  MN_CHECK(db.run("INSERT INTO patient_domain (name) VALUES ($1)", name));
  return db.last_insert_rowid();
}

VisitRow visit_row(const SqliteRows& rows) {
  VisitRow row;
  row.patient = PatientId{rows.integer(0)};
  row.visit.number = rows.text(1);
  row.visit.patient_class = rows.text(2);
  row.visit.location = rows.text(3);
  row.visit.prior_location = rows.text(4);
  row.visit.attending = pack::providers_of(rows.text(5));
  row.visit.admitted = rows.optional_time(6);
  row.visit.discharged = rows.optional_time(7);
  row.visit.state = static_cast<VisitState>(rows.integer(8));
  row.clock = rows.optional_time(9);
  return row;
}

}  // namespace

Result<PatientId> create(Sqlite& db) {
  MN_CHECK(db.run("INSERT INTO patient (refused) VALUES (0)"));
  return PatientId{db.last_insert_rowid()};
}

Result<Row> read(Sqlite& db, PatientId id) {
  MN_TRY(rows,
         db.query("SELECT merged_into, survivor, names, birth_date, sex, addresses, phones, death_time, providers,"
                  " demographics_at, merges_at, refused FROM patient WHERE id = $1",
                  id.value));
  MN_TRY(found, rows.step());
  if (!found) return fail(Errc::kNotFound, "no such patient");
  Row row;
  row.id = id;
  row.merged_into = id_or_null(rows, 0);
  row.survivor = id_or_null(rows, 1);
  if (!rows.is_null(2)) row.demographics.names = pack::names_of(rows.text(2));
  row.demographics.birth_date = text_or_null(rows, 3);
  row.demographics.sex = text_or_null(rows, 4);
  row.demographics.addresses = texts_or_null(rows, 5);
  row.demographics.phones = texts_or_null(rows, 6);
  row.demographics.death_time = text_or_null(rows, 7);
  row.primary_providers = pack::providers_of(rows.text(8));
  row.demographics_at = rows.optional_time(9);
  row.merges_at = rows.optional_time(10);
  row.notifications_refused = rows.integer(11) != 0;
  return row;
}

Status write(Sqlite& db, const Row& before, const Row& after) {
  const auto& d = after.demographics;
  MN_CHECK(
      db.run("UPDATE patient SET names = $1, birth_date = $2, sex = $3, addresses = $4, phones = $5, death_time = $6,"
             " providers = $7, demographics_at = $8, merges_at = $9, refused = $10 WHERE id = $11",
             packed_names(d), d.birth_date, d.sex, packed_texts(d.addresses), packed_texts(d.phones), d.death_time,
             pack::providers(after.primary_providers), after.demographics_at, after.merges_at,
             after.notifications_refused, after.id.value));
  if (before.demographics.names == d.names && before.demographics.birth_date == d.birth_date) return {};
  const auto old_terms = terms(before.demographics);
  const auto new_terms = terms(d);
  for (const auto term : old_terms) {
    if (!std::ranges::binary_search(new_terms, term)) {
      MN_CHECK(db.run("DELETE FROM patient_term WHERE entry = $1", entry_of(term, after.id)));
    }
  }
  for (const auto term : new_terms) {
    if (!std::ranges::binary_search(old_terms, term)) {
      MN_CHECK(db.run("INSERT OR IGNORE INTO patient_term VALUES ($1)", entry_of(term, after.id)));
    }
  }
  return {};
}

Result<std::optional<PatientId>> owner(Sqlite& db, const Identifier& identifier) {
  MN_TRY(found, db.query_integer("SELECT patient FROM patient_identifier WHERE value = $1 AND domain ="
                                 " (SELECT id FROM patient_domain WHERE name = $2)",
                                 identifier.value, identifier.domain));
  return found ? std::optional(PatientId{*found}) : std::nullopt;
}

Result<std::vector<Identifier>> identifiers(Sqlite& db, PatientId id) {
  std::vector<Identifier> found;
  MN_TRY(rows, db.query("SELECT d.name, i.value FROM patient_identifier i JOIN patient_domain d ON d.id = i.domain"
                        " WHERE i.patient = $1 ORDER BY 1, 2",
                        id.value));
  while (true) {
    MN_TRY(more, rows.step());
    if (!more) return found;
    found.push_back({std::string(rows.text(0)), std::string(rows.text(1))});
  }
}

Status give(Sqlite& db, const Identifier& identifier, PatientId to) {
  MN_TRY(domain, domain_id(db, identifier.domain));
  return db.run("INSERT INTO patient_identifier VALUES ($1, $2, $3)", identifier.value, domain, to.value);
}

Status merge(Sqlite& db, PatientId prior, PatientId into, PatientId survivor, Time clock) {
  MN_CHECK(db.run("UPDATE patient SET survivor = $1 WHERE survivor = $2", survivor.value, prior.value));
  return db.run("UPDATE patient SET merged_into = $1, survivor = $2, merges_at = $3 WHERE id = $4", into.value,
                survivor.value, clock, prior.value);
}

Status unmerge(Sqlite& db, PatientId prior, Time clock) {
  MN_TRY(below, tree(db, prior));
  MN_CHECK(db.run("UPDATE patient SET merged_into = NULL, survivor = NULL, merges_at = $1 WHERE id = $2", clock,
                  prior.value));
  for (const auto id : below) {
    if (id != prior) MN_CHECK(db.run("UPDATE patient SET survivor = $1 WHERE id = $2", prior.value, id.value));
  }
  return {};
}

Result<std::vector<PatientId>> tree(Sqlite& db, PatientId id) {
  MN_TRY(row, read(db, id));
  if (!row.survivor) {
    MN_TRY(rows, db.query("SELECT id FROM patient WHERE id = $1 OR survivor = $1 ORDER BY id", id.value));
    return ids(std::move(rows));
  }
  // Within a larger tree: of all that lead to the same end, those whose way passes here.
  MN_TRY(rows,
         db.query("WITH RECURSIVE below (id) AS (SELECT $1 UNION SELECT p.id FROM below"
                  " JOIN patient p ON p.survivor = $2 AND p.merged_into = below.id) SELECT id FROM below ORDER BY id",
                  id.value, row.survivor->value));
  return ids(std::move(rows));
}

constexpr std::string_view kVisitColumns =
    "SELECT patient, number, class, location, prior_location, attending, admitted, discharged, state, clock"
    " FROM patient_visit WHERE patient IN (SELECT id FROM patient WHERE id = $1 OR survivor = $1)";

Result<std::optional<VisitRow>> find_visit(Sqlite& db, PatientId end, std::string_view number) {
  // The patient's own first: after an unmerge and a merge both may have one of this number.
  static const std::string sql =
      std::string(kVisitColumns) + " AND number = $2 ORDER BY patient = $1 DESC, patient LIMIT 1";
  MN_TRY(rows, db.query(sql, end.value, number));
  MN_TRY(found, rows.step());
  return found ? std::optional(visit_row(rows)) : std::nullopt;
}

Result<std::vector<VisitRow>> visits(Sqlite& db, PatientId end) {
  static const std::string sql = std::string(kVisitColumns) + " ORDER BY clock DESC, patient, number";
  std::vector<VisitRow> all;
  MN_TRY(rows, db.query(sql, end.value));
  while (true) {
    MN_TRY(more, rows.step());
    if (!more) return all;
    all.push_back(visit_row(rows));
  }
}

Status write_visit(Sqlite& db, const VisitRow& row) {
  const auto& v = row.visit;
  return db.run("INSERT OR REPLACE INTO patient_visit VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)",
                row.patient.value, v.number, v.patient_class, v.location, v.prior_location,
                pack::providers(v.attending), v.admitted, v.discharged, v.state, row.clock);
}

Status link(Sqlite& db, PatientId a, PatientId b) {
  return db.run("INSERT OR IGNORE INTO patient_link VALUES ($1, $2), ($2, $1)", a.value, b.value);
}

Result<bool> linked(Sqlite& db, PatientId a, PatientId b) {
  MN_TRY(found, db.query_integer("SELECT 1 FROM patient_link WHERE a = $1 AND b = $2", a.value, b.value));
  return found.has_value();
}

Status unlink(Sqlite& db, PatientId a, PatientId b) {
  return db.run("DELETE FROM patient_link WHERE (a = $1 AND b = $2) OR (a = $2 AND b = $1)", a.value, b.value);
}

Status remember(Sqlite& db, const PatientHistoryEntry& e) {
  return db.run(
      "INSERT INTO patient_history SELECT $1, $2, ifnull(max(ordinal), -1) + 1, $3, $4, $5 FROM patient_history"
      " WHERE patient = $1 AND seq = $2",
      e.patient.value, e.seq, e.code, e.happened, e.outcome);
}

std::int64_t name_term(std::string_view folded) { return term_of('N', folded); }
std::int64_t birth_date_term(std::string_view birth_date) { return term_of('B', birth_date); }

std::vector<std::int64_t> terms(const Demographics& demographics) {
  std::vector<std::int64_t> all;
  for (const auto& n : demographics.names.value_or(std::vector<PersonName>())) {
    const std::string family = fold_name(n.family);
    const std::string given = fold_name(n.given);
    for (const auto& text : {family, family + given, given + family}) {
      if (!text.empty()) all.push_back(name_term(text));
    }
  }
  if (!demographics.birth_date.value_or("").empty()) all.push_back(birth_date_term(*demographics.birth_date));
  std::ranges::sort(all);
  all.erase(std::ranges::unique(all).begin(), all.end());
  return all;
}

Result<std::vector<PatientId>> with_term(Sqlite& db, std::int64_t term, std::size_t limit) {
  MN_TRY(rows,
         db.query("SELECT entry & 4294967295 FROM patient_term WHERE entry BETWEEN $1 AND $2 ORDER BY entry LIMIT $3",
                  entry_of(term, PatientId{0}), entry_of(term, PatientId{0xffffffff}), limit));
  return ids(std::move(rows));
}

}  // namespace patient_rows
}  // namespace minato
