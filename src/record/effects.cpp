#include "record/effects.h"

#include <algorithm>
#include <array>

#include "base/bytes.h"
#include "base/json_writer.h"
#include "base/limits.h"
#include "format/json/json.h"
#include "store/sql/sqlite.h"

namespace minato {
namespace {

constexpr std::array<std::string_view, 4> kKinds = {"mail", "forward", "webhook", "file"};
constexpr std::array<std::string_view, 4> kStates = {"intended", "done", "failed", "uncertain"};

template <typename Enum, std::size_t N>
std::optional<Enum> named(const std::array<std::string_view, N>& names, std::string_view name) {
  const auto found = std::ranges::find(names, name);
  if (found == names.end()) return std::nullopt;
  return static_cast<Enum>(found - names.begin());
}

// key: 27 bits of hash | 36 bits of id, so that a key is found without being stored twice.
constexpr unsigned kIdBits = 36;
std::int64_t key_entry(std::string_view key, std::uint64_t id) {
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char byte : key) hash = (hash ^ static_cast<std::uint8_t>(byte)) * 0x100000001b3;
  hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccd;
  return static_cast<std::int64_t>((hash >> 37) << kIdBits | id);
}
constexpr std::uint64_t kIdMax = (std::uint64_t{1} << kIdBits) - 1;

// Providers and patients: NULL for none, so that their indexes hold only rows that have one.
std::optional<std::int64_t> id_or_null(std::int64_t id) { return id == 0 ? std::nullopt : std::optional(id); }

// Destinations and events are few and long: stored once.
Result<std::optional<std::int64_t>> text_id(Sqlite& db, std::string_view text) {
  if (text.empty()) return std::optional<std::int64_t>();
  MN_TRY(known, db.query_integer("SELECT id FROM effect_text WHERE text = $1", text));
  if (known) return known;
  MN_CHECK(db.run("INSERT INTO effect_text (text) VALUES ($1)", text));
  return std::optional(db.last_insert_rowid());
}

Result<std::optional<std::int64_t>> id_of_key(Sqlite& db, std::string_view key) {
  MN_TRY(rows, db.query("SELECT entry FROM effect_key WHERE entry BETWEEN $1 AND $2", key_entry(key, 0),
                        key_entry(key, kIdMax)));
  while (true) {
    MN_TRY(more, rows.step());
    if (!more) return std::optional<std::int64_t>();
    const auto id = static_cast<std::int64_t>(rows.natural(0) & kIdMax);
    MN_TRY(same, db.query_integer("SELECT id FROM effect WHERE id = $1 AND key = $2", id, key));
    if (same) return same;
  }
}

// The row of a key that has none yet. Ids count up in the order of the first record about each effect; one record may
// tell of several (a digest mail that settles them all).
Result<std::int64_t> insert(Sqlite& db, const Effect& effect, Time time) {
  MN_TRY(destination, text_id(db, effect.destination));
  MN_TRY(event, text_id(db, effect.event));
  MN_CHECK(
      db.run("INSERT INTO effect (key, kind, origin, destination, provider, patient, event, changed_at)"
             " VALUES ($1, $2, $3, $4, $5, $6, $7, $8)",
             effect.key, effect.kind, effect.origin, destination, id_or_null(effect.provider.value),
             id_or_null(effect.patient.value), event, time));
  const std::int64_t id = db.last_insert_rowid();
  MN_CHECK(db.run("INSERT INTO effect_key VALUES ($1)", key_entry(effect.key, static_cast<std::uint64_t>(id))));
  return id;
}

Result<std::int64_t> find_or_insert(Sqlite& db, const Effect& effect, Time time) {
  MN_TRY(known, id_of_key(db, effect.key));
  return known ? Result<std::int64_t>(*known) : insert(db, effect, time);
}

constexpr std::string_view kSelect =
    "SELECT e.id, e.key, e.kind, e.origin, d.text, e.provider, e.patient, v.text, e.state, e.detail, e.intent_seq,"
    " e.intent_time, e.outcome_seq, e.outcome_time FROM effect e LEFT JOIN effect_text d ON d.id = e.destination"
    " LEFT JOIN effect_text v ON v.id = e.event ";

Effect effect_of(const SqliteRows& rows) {
  Effect e;
  e.key = rows.text(1);
  e.kind = static_cast<EffectKind>(rows.integer(2));
  e.origin = rows.seq(3);
  e.destination = rows.text(4);
  e.provider = ProviderId{rows.integer(5)};
  e.patient = PatientId{rows.integer(6)};
  e.event = rows.text(7);
  e.state = static_cast<EffectState>(rows.integer(8));
  e.detail = rows.text(9);
  if (!rows.is_null(10)) e.intent_seq = rows.seq(10);
  e.intent_time = rows.optional_time(11);
  if (!rows.is_null(12)) e.outcome_seq = rows.seq(12);
  e.outcome_time = rows.optional_time(13);
  return e;
}

}  // namespace

std::string_view name(EffectKind kind) { return kKinds[static_cast<std::size_t>(kind)]; }
std::string_view name(EffectState state) { return kStates[static_cast<std::size_t>(state)]; }
std::optional<EffectKind> effect_kind_named(std::string_view name) { return named<EffectKind>(kKinds, name); }
std::optional<EffectState> effect_state_named(std::string_view name) { return named<EffectState>(kStates, name); }

std::string effect_json(const Effect& effect) {
  std::string out;
  JsonWriter json(out);
  json.begin_object();
  json.member("key", effect.key).member("kind", name(effect.kind)).member("origin", effect.origin.value);
  json.member("state", name(effect.state));
  if (!effect.destination.empty()) json.member("destination", effect.destination);
  if (effect.provider.value != 0) json.member("provider", effect.provider.value);
  if (effect.patient.value != 0) json.member("patient", effect.patient.value);
  if (!effect.event.empty()) json.member("event", effect.event);
  if (!effect.detail.empty()) json.member("detail", effect.detail);
  json.end_object();
  return out;
}

Result<Effect> parse_effect_json(std::string_view text) {
  MN_TRY(document, json::parse(text));
  const auto root = document.root();
  const auto kind = effect_kind_named(root["kind"].string_or(""));
  const auto state = effect_state_named(root["state"].string_or("intended"));
  const auto origin = root["origin"].unsigned_integer();
  if (root["key"].string_or("").empty() || !kind || !state || !origin) {
    return fail(Errc::kRefused, "effect: key, kind, state or origin is missing or unknown");
  }
  Effect effect;
  effect.key = root["key"].string_or("");
  effect.kind = *kind;
  effect.state = *state;
  effect.origin = Seq{*origin};
  effect.destination = root["destination"].string_or("");
  effect.provider = ProviderId{root["provider"].integer().value_or(0)};
  effect.patient = PatientId{root["patient"].integer().value_or(0)};
  effect.event = root["event"].string_or("");
  effect.detail = root["detail"].string_or("");
  return effect;
}

ProjectionSchema EffectWriter::schema() {
  return {
      .name = "effects",
      .version = 1,
      .sql =
          "CREATE TABLE effect (id INTEGER PRIMARY KEY, key TEXT, kind INTEGER, origin INTEGER, destination INTEGER,"
          "  provider INTEGER, patient INTEGER, event INTEGER, state INTEGER, detail TEXT, intent_seq INTEGER,"
          "  intent_time INTEGER, outcome_seq INTEGER, outcome_time INTEGER, changed_at INTEGER);"
          "CREATE TABLE effect_key (entry INTEGER PRIMARY KEY);"
          "CREATE TABLE effect_text (id INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE);"
          "CREATE INDEX effect_origin ON effect (origin);"
          "CREATE INDEX effect_changed ON effect (changed_at);"
          "CREATE INDEX effect_provider ON effect (provider) WHERE provider IS NOT NULL;"
          "CREATE INDEX effect_patient ON effect (patient) WHERE patient IS NOT NULL;"
          "CREATE INDEX effect_unsettled ON effect (state) WHERE state <> 1;",
      .kept_tables = {"effect", "effect_key", "effect_text"}};
}

Status EffectWriter::intend(const Effect& effect, Seq seq, Time time) {
  MN_TRY(id, find_or_insert(db_, effect, time));
  return db_.run(
      "UPDATE effect SET state = $1, intent_seq = $2, intent_time = $3, changed_at = $3"
      " WHERE id = $4 AND (state IS NULL OR state <> $5)",
      EffectState::kIntended, seq, time, id, EffectState::kDone);
}

Status EffectWriter::settle(const Effect& effect, Seq seq, Time time) {
  MN_TRY(id, find_or_insert(db_, effect, time));
  return db_.run(
      "UPDATE effect SET state = $1, detail = $2, outcome_seq = $3, outcome_time = $4, changed_at = $4"
      " WHERE id = $5 AND (state IS NULL OR state <> $6)",
      effect.state, effect.detail, seq, time, id, EffectState::kDone);
}

Result<std::optional<Effect>> EffectLedger::find(std::string_view key) {
  MN_TRY(id, id_of_key(db_, key));
  if (!id) return std::optional<Effect>();
  static const std::string sql = std::string(kSelect) + "WHERE e.id = $1";
  MN_TRY(rows, db_.query(sql, *id));
  MN_TRY(found, rows.step());
  return found ? std::optional(effect_of(rows)) : std::nullopt;
}

Result<EffectPage> EffectLedger::query(const EffectFilter& filter, std::optional<std::int64_t> before,
                                       std::size_t limit) {
  std::string sql(kSelect);
  std::vector<std::int64_t> values;
  const auto where = [&](const char* condition, std::int64_t value) {
    values.push_back(value);
    sql +=
        (values.size() == 1 ? "WHERE " : "AND ") + std::string(condition) + "$" + std::to_string(values.size()) + " ";
  };
  limit = std::clamp<std::size_t>(limit, 1, kRegistryPageMax);
  where("e.id < ", before.value_or(INT64_MAX));
  if (filter.origin) where("e.origin = ", static_cast<std::int64_t>(filter.origin->value));
  if (filter.provider) where("e.provider = ", filter.provider->value);
  if (filter.patient) where("e.patient = ", filter.patient->value);
  if (filter.kind) where("e.kind = ", static_cast<std::int64_t>(*filter.kind));
  if (filter.state) where("e.state = ", static_cast<std::int64_t>(*filter.state));
  if (filter.state && *filter.state != EffectState::kDone)
    sql += "AND e.state <> 1 ";  // so that the partial index serves
  if (filter.from) where("e.changed_at >= ", to_micros(*filter.from));
  if (filter.to) where("e.changed_at < ", to_micros(*filter.to));
  sql += "ORDER BY e.id DESC LIMIT " + std::to_string(limit + 1);
  MN_TRY(rows, db_.prepare(sql));
  for (std::size_t i = 0; i < values.size(); ++i) MN_CHECK(db_.bind(rows, static_cast<int>(i) + 1, values[i]));
  EffectPage page;
  std::int64_t last = 0;
  while (true) {
    MN_TRY(more, rows.step());
    if (!more) return page;
    if (page.rows.size() == limit) break;
    last = rows.integer(0);
    page.rows.push_back(effect_of(rows));
  }
  page.next = last;
  return page;
}

}  // namespace minato
