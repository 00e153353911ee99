// Imports and operators' changes of the patient registry: docs/formats/registry.md.
#include <array>

#include "base/bytes.h"
#include "base/limits.h"
#include "format/json/json.h"
#include "record/csv.h"
#include "record/patient_rows.h"
#include "record/patients.h"
#include "record/registry_log.h"
#include "store/journal/record.h"
#include "store/sql/sqlite.h"

namespace minato {
namespace {

constexpr std::array<std::string_view, 19> kColumns = {
    "domain",          "identifier",     "other_identifiers",  "family_name",
    "given_name",      "middle_name",    "family_ideographic", "given_ideographic",
    "family_phonetic", "given_phonetic", "birth_date",         "sex",
    "address",         "phone",          "provider_id",        "provider_system",
    "provider_mail",   "provider_name",  "notifications"};
constexpr std::array<std::string_view, 2> kRequired = {"domain", "identifier"};

bool valid_birth_date(std::string_view text) {
  if (text.size() != 4 && text.size() != 6 && text.size() != 8) return false;
  return from_hl7_dtm(text, 0).has_value();
}

bool valid_sex(std::string_view text) { return text.size() == 1 && std::string_view("FMOUAN").contains(text[0]); }

// "1981-03-27" is what spreadsheets write.
std::string without_hyphens(std::string_view text) {
  std::string digits;
  for (const char c : text) {
    if (c != '-' && c != '/') digits += c;
  }
  return digits;
}

// One row of a table, or the object of a "put", read by column name.
class RowReader {
 public:
  using Field = std::string (*)(const void*, std::string_view);
  RowReader(const CsvTable& table, std::size_t row) : table_(table), row_(row) {}

  PatientImport read(CsvFaults& faults);

 private:
  std::string field(std::string_view column) const { return std::string(table_.field(row_, column)); }
  void fault(std::string_view column, std::string_view what) {
    faults_->add(table_.line(row_), std::string(column) + ": " + std::string(what));
  }
  void read_identifiers(PatientEvent& event);
  void read_names(PatientEvent& event);
  void read_rest(PatientImport& import);

  const CsvTable& table_;
  std::size_t row_;
  CsvFaults* faults_ = nullptr;
};

PatientImport RowReader::read(CsvFaults& faults) {
  faults_ = &faults;
  PatientImport import;
  import.event.code = "import";
  read_identifiers(import.event);
  read_names(import.event);
  read_rest(import);
  return import;
}

void RowReader::read_identifiers(PatientEvent& event) {
  const Identifier first{field("domain"), field("identifier")};
  if (first.domain.empty()) fault("domain", "empty");
  if (first.value.empty()) fault("identifier", "empty");
  event.identifiers.push_back(first);
  const std::string others = field("other_identifiers");
  if (others.empty()) return;
  for (const auto part : split(others, ';')) {
    const auto at = part.rfind('@');
    if (at == std::string_view::npos || trim(part.substr(0, at)).empty() || trim(part.substr(at + 1)).empty()) {
      fault("other_identifiers", "not value@domain, separated by ';'");
      return;
    }
    event.identifiers.push_back({std::string(trim(part.substr(at + 1))), std::string(trim(part.substr(0, at)))});
  }
  if (event.identifiers.size() > kRegistryIdentifiersPerEventMax) fault("other_identifiers", "too many");
}

void RowReader::read_names(PatientEvent& event) {
  std::vector<PersonName> names;
  const auto add = [&](std::string_view family, std::string_view given, const char* representation) {
    PersonName n{.family = field(family), .given = field(given), .representation = representation, .type = "L"};
    if (*representation == 'A') n.middle = field("middle_name");
    if (!n.family.empty() || !n.given.empty()) names.push_back(std::move(n));
  };
  add("family_ideographic", "given_ideographic", "I");
  add("family_phonetic", "given_phonetic", "P");
  add("family_name", "given_name", "A");
  if (!names.empty()) event.demographics.names = std::move(names);
}

void RowReader::read_rest(PatientImport& import) {
  auto& d = import.event.demographics;
  if (const auto text = without_hyphens(field("birth_date")); !text.empty()) {
    if (!valid_birth_date(text)) fault("birth_date", "not YYYY-MM-DD, YYYYMMDD, YYYYMM or YYYY");
    d.birth_date = text;
  }
  if (const auto text = field("sex"); !text.empty()) {
    if (!valid_sex(text)) fault("sex", "not F, M, O, U, A or N");
    d.sex = text;
  }
  if (const auto text = field("address"); !text.empty()) d.addresses = {{text}};
  if (const auto text = field("phone"); !text.empty()) d.phones = {{text}};
  ProviderClaim provider{.role = ProviderRole::kPrimary,
                         .id = field("provider_id"),
                         .system = field("provider_system"),
                         .family = field("provider_name"),
                         .mail = field("provider_mail"),
                         .field = "import"};
  if (!provider.id.empty() || !provider.mail.empty()) import.event.primary_providers = {{provider}};
  const auto notifications = field("notifications");
  if (notifications == "no") import.notifications_refused = true;
  if (notifications == "yes") import.notifications_refused = false;
  if (!notifications.empty() && !import.notifications_refused) fault("notifications", "not yes or no");
}

Result<Identifier> identifier_of(json::Value change, std::string_view member) {
  const auto object = change[member];
  const Identifier identifier{std::string(object["domain"].string_or("")), std::string(object["value"].string_or(""))};
  if (identifier.domain.empty() || identifier.value.empty()) {
    return fail(Errc::kRefused, std::string(member) + ": needs domain and value");
  }
  return identifier;
}

// A "put" is an import of one row whose columns are members.
Result<PatientImport> put_row(json::Value row) {
  std::vector<std::string> header;
  std::vector<std::string> fields;
  for (const auto entry : row.entries()) {
    if (!entry.value.string()) return fail(Errc::kRefused, "patient: every member is a text");
    header.emplace_back(entry.key);
    fields.emplace_back(*entry.value.string());
  }
  std::string csv;
  append_csv_row(csv, header);
  append_csv_row(csv, fields);
  MN_TRY(imports, parse_patient_csv(csv));
  if (imports.size() != 1) return fail(Errc::kRefused, "patient: no members");
  return std::move(imports.front());
}

enum class Op : std::uint8_t { kPut, kMerge, kUnmerge, kLink, kUnlink, kNotifications };

// A change with all that its form asks for.
struct Change {
  Op op = Op::kPut;
  std::string action;
  Identifier first, second;
  bool flag = false;
  PatientImport put;
};

Result<Change> read_change(json::Value change) {
  static constexpr std::array<std::string_view, 6> kNames = {"put",  "merge",  "unmerge",
                                                             "link", "unlink", "notifications"};
  static constexpr std::array<std::array<std::string_view, 2>, 6> kMembers = {
      {{"", ""}, {"survivor", "prior"}, {"patient", ""}, {"patient", "other"}, {"patient", "other"}, {"patient", ""}}};
  Change read;
  read.action = change["op"].string_or("");
  std::size_t op = 0;
  while (op < kNames.size() && kNames[op] != read.action) ++op;
  if (op == kNames.size()) return fail(Errc::kRefused, "op: put, merge, unmerge, link, unlink or notifications");
  read.op = static_cast<Op>(op);
  if (!kMembers[op][0].empty()) {
    MN_TRY(first, identifier_of(change, kMembers[op][0]));
    read.first = std::move(first);
  }
  if (!kMembers[op][1].empty()) {
    MN_TRY(second, identifier_of(change, kMembers[op][1]));
    read.second = std::move(second);
  }
  if (read.op == Op::kNotifications) {
    if (!change["refused"].boolean()) return fail(Errc::kRefused, "refused: true or false");
    read.flag = *change["refused"].boolean();
  }
  if (read.op == Op::kPut) {
    MN_TRY(put, put_row(change["patient"]));
    read.put = std::move(put);
  }
  return read;
}

// Applies one record; what it answers with kRefused or kNotFound goes to the registry log.
class Changer {
 public:
  Changer(Sqlite& db, const Entry& entry) : db_(db), writer_(db), entry_(entry) {}
  Result<std::uint64_t> import(json::Value meta);
  Result<std::uint64_t> change(const Change& change);

 private:
  Status apply_import(PatientImport import, Time as_of);
  Result<std::uint64_t> event(const Change& change, const char* code);
  Result<std::uint64_t> unmerge(const Identifier& identifier);
  Status refuse_notifications(const Identifier& identifier, bool refused);

  Sqlite& db_;
  PatientWriter writer_;
  const Entry& entry_;
};

Result<std::uint64_t> Changer::import(json::Value meta) {
  MN_TRY(rows, parse_patient_csv(entry_.record.body));
  Time as_of = entry_.record.time;
  if (const auto text = meta["as_of"].string()) {
    const auto read = from_rfc3339(*text);
    if (!read) return fail(Errc::kRefused, "as_of: not an RFC 3339 instant");
    as_of = *read;
  }
  for (auto& row : rows) MN_CHECK(apply_import(std::move(row), as_of));
  return rows.size();
}

Status Changer::apply_import(PatientImport import, Time as_of) {
  import.event.source = "import";
  import.event.happened = as_of;
  import.event.received = entry_.record.time;
  MN_CHECK(writer_.apply(import.event, entry_.seq));
  if (!import.notifications_refused) return {};
  return refuse_notifications(import.event.identifiers.front(), *import.notifications_refused);
}

Status Changer::refuse_notifications(const Identifier& identifier, bool refused) {
  MN_TRY(end, PatientRegistry(db_).resolve(identifier));
  if (!end) return fail(Errc::kNotFound, "patient: unknown identifier");
  // Withdrawing a refusal withdraws it for all who were merged into this patient too: they are one person.
  return db_.run(refused ? "UPDATE patient SET refused = 1 WHERE id = $1"
                         : "UPDATE patient SET refused = 0 WHERE id = $1 OR survivor = $1",
                 end->value);
}

Result<std::uint64_t> Changer::event(const Change& change, const char* code) {
  MN_TRY(first, patient_rows::owner(db_, change.first));
  MN_TRY(second, patient_rows::owner(db_, change.second));
  if (!first || !second) return fail(Errc::kNotFound, "unknown identifier");
  PatientEvent event;
  event.code = code;
  event.happened = event.received = entry_.record.time;
  event.source = "operator";
  event.identifiers = {change.first};
  event.prior = {change.second};
  MN_TRY(applied, writer_.apply(event, entry_.seq));
  if (applied.outcome == PatientOutcome::kApplied) return 1;
  return fail(Errc::kRefused, std::string(name(applied.outcome)));
}

Result<std::uint64_t> Changer::unmerge(const Identifier& identifier) {
  MN_TRY(owner, patient_rows::owner(db_, identifier));
  if (!owner) return fail(Errc::kNotFound, "patient: unknown identifier");
  MN_TRY(row, patient_rows::read(db_, *owner));
  if (!row.merged_into) return fail(Errc::kRefused, "patient: is not merged");
  PatientHistoryEntry entry{.seq = entry_.seq, .patient = row.end(), .code = "unmerge", .happened = entry_.record.time};
  MN_CHECK(patient_rows::remember(db_, entry));
  entry.patient = *owner;
  MN_CHECK(patient_rows::remember(db_, entry));
  MN_CHECK(patient_rows::unmerge(db_, *owner, entry_.record.time));
  return 1;
}

Result<std::uint64_t> Changer::change(const Change& change) {
  switch (change.op) {
    case Op::kPut:
      MN_CHECK(apply_import(change.put, entry_.record.time));
      return 1;
    case Op::kMerge:
      return event(change, "merge");
    case Op::kLink:
      return event(change, "link");
    case Op::kUnlink:
      return event(change, "unlink");
    case Op::kUnmerge:
      return unmerge(change.first);
    case Op::kNotifications:
      MN_CHECK(refuse_notifications(change.first, change.flag));
      return 1;
  }
  return 0;
}

// What goes to the log, and what stops the follower.
bool is_content_error(const Error& error) {
  return error.code == Errc::kRefused || error.code == Errc::kNotFound || error.code == Errc::kTooLarge;
}

}  // namespace

Result<std::vector<PatientImport>> parse_patient_csv(std::string_view csv) {
  MN_TRY(table, CsvTable::parse(csv, kColumns, kRequired));
  CsvFaults faults;
  std::vector<PatientImport> imports;
  for (std::size_t row = 0; row < table.rows(); ++row) imports.push_back(RowReader(table, row).read(faults));
  if (!faults.none()) return faults.error();
  return imports;
}

Status check_patient_change(std::string_view change_json) {
  MN_TRY(document, json::parse(change_json));
  MN_CHECK(read_change(document.root()));
  return {};
}

Status PatientWriter::apply(const Entry& entry) {
  const bool import = entry.record.kind == RecordKind::kRegistryImport;
  if (!import && entry.record.kind != RecordKind::kRegistryChange) return {};
  auto document = json::parse(entry.record.meta);
  if (!document || document->root()["what"].string_or("") != "patients") return {};
  const auto meta = document->root();
  Changer changer(db_, entry);
  RegistryLogEntry log{.seq = entry.seq,
                       .time = entry.record.time,
                       .what = "patients",
                       .action = import ? "import" : std::string(meta["change"]["op"].string_or("")),
                       .by = std::string(meta["by"].string_or(""))};
  Result<std::uint64_t> rows = 0;
  if (import) {
    rows = changer.import(meta);
  } else {
    const auto change = read_change(meta["change"]);
    rows = change ? changer.change(*change) : std::unexpected(change.error());
  }
  if (!rows && !is_content_error(rows.error())) return std::unexpected(rows.error());
  log.applied = rows.has_value();
  log.rows = rows.value_or(0);
  if (!rows) log.detail = rows.error().what;
  return note_registry_change(db_, log);
}

}  // namespace minato
