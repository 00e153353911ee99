#include "record/providers.h"

#include <algorithm>
#include <set>

#include "base/bytes.h"
#include "base/limits.h"
#include "format/json/json.h"
#include "record/fold.h"
#include "record/registry_log.h"
#include "store/journal/record.h"
#include "store/sql/sqlite.h"

namespace minato {

std::string_view name(ProviderMatch match) {
  switch (match) {
    case ProviderMatch::kMatch:
      return "match";
    case ProviderMatch::kNothingClaimed:
      return "nothing-claimed";
    case ProviderMatch::kUnknown:
      return "unknown";
    case ProviderMatch::kMailDiffers:
      return "mail-differs";
    case ProviderMatch::kIdentifierDiffers:
      return "identifier-differs";
    case ProviderMatch::kNameDiffers:
      return "name-differs";
    case ProviderMatch::kAmbiguous:
      return "ambiguous";
    case ProviderMatch::kInactive:
      return "inactive";
  }
  return "unknown";
}

ProjectionSchema ProviderWriter::schema() {
  return {
      .name = "providers",
      .version = 1,
      .sql =
          "CREATE TABLE provider (id INTEGER PRIMARY KEY, code TEXT NOT NULL UNIQUE, json TEXT NOT NULL);"
          "CREATE TABLE provider_mail (mail TEXT, provider INTEGER, PRIMARY KEY (mail, provider)) WITHOUT ROWID;"
          "CREATE TABLE provider_identifier (value TEXT, system TEXT, provider INTEGER,"
          "  PRIMARY KEY (value, system, provider)) WITHOUT ROWID;"
          "CREATE TABLE provider_name (family TEXT, provider INTEGER, PRIMARY KEY (family, provider)) WITHOUT ROWID;",
      .kept_tables = {"provider", "provider_mail", "provider_identifier", "provider_name"}};
}

namespace {

class Changer {
 public:
  explicit Changer(Sqlite& db) : db_(db) {}
  Result<std::uint64_t> import(const Entry& entry, json::Value meta);
  Result<std::uint64_t> change(json::Value change);

 private:
  Status put(const Provider& provider);
  Status set_activity(std::string_view code, Activity activity);
  Result<std::uint64_t> deactivate_all_but(const std::set<std::string>& codes);
  Sqlite& db_;
};

Status Changer::put(const Provider& provider) {
  MN_CHECK(
      db_.run("INSERT INTO provider (code, json) VALUES ($1, $2) ON CONFLICT (code) DO UPDATE SET json = excluded.json",
              provider.code, provider_json(provider)));
  MN_TRY(id, db_.query_integer("SELECT id FROM provider WHERE code = $1", provider.code));
  MN_CHECK(db_.run("DELETE FROM provider_mail WHERE provider = $1", *id));
  MN_CHECK(db_.run("DELETE FROM provider_identifier WHERE provider = $1", *id));
  MN_CHECK(db_.run("DELETE FROM provider_name WHERE provider = $1", *id));
  for (const auto& mail : provider.mails) {
    MN_CHECK(db_.run("INSERT OR IGNORE INTO provider_mail VALUES ($1, $2)", ascii_lower(mail), *id));
  }
  for (const auto& identifier : provider.identifiers) {
    MN_CHECK(db_.run("INSERT OR IGNORE INTO provider_identifier VALUES ($1, $2, $3)", identifier.value,
                     identifier.system, *id));
  }
  for (const auto& n : provider.names) {
    MN_CHECK(db_.run("INSERT OR IGNORE INTO provider_name VALUES ($1, $2)", fold_name(n.family), *id));
  }
  return {};
}

Status Changer::set_activity(std::string_view code, Activity activity) {
  MN_TRY(provider, ProviderRegistry(db_).by_code(code));
  provider.activity = activity;
  return put(provider);
}

Result<std::uint64_t> Changer::deactivate_all_but(const std::set<std::string>& codes) {
  std::uint64_t changed = 0;
  std::string after;
  while (true) {
    MN_TRY(page, ProviderRegistry(db_).list(after, kRegistryPageMax));
    if (page.empty()) return changed;
    after = page.back().code;
    for (const auto& provider : page) {
      if (provider.activity == Activity::kInactive || codes.contains(provider.code)) continue;
      MN_CHECK(set_activity(provider.code, Activity::kInactive));
      ++changed;
    }
  }
}

Result<std::uint64_t> Changer::import(const Entry& entry, json::Value meta) {
  const auto mode = meta["mode"].string_or("merge");
  if (mode != "merge" && mode != "replace") return fail(Errc::kRefused, "mode: not merge or replace");
  MN_TRY(providers, parse_provider_csv(entry.record.body));
  std::set<std::string> codes;
  for (const auto& provider : providers) {
    MN_CHECK(put(provider));
    codes.insert(provider.code);
  }
  if (mode == "merge") return providers.size();
  MN_TRY(deactivated, deactivate_all_but(codes));
  return providers.size() + deactivated;
}

Result<std::uint64_t> Changer::change(json::Value change) {
  const auto op = change["op"].string_or("");
  if (op == "put") {
    MN_TRY(provider, parse_provider_json(json::to_text(change["provider"])));
    MN_CHECK(put(provider));
    return 1;
  }
  if (op != "deactivate" && op != "activate") return fail(Errc::kRefused, "op: not put, activate or deactivate");
  MN_CHECK(set_activity(change["code"].string_or(""), op == "activate" ? Activity::kActive : Activity::kInactive));
  return 1;
}

Result<Provider> provider_of(const SqliteRows& rows) {
  auto provider = parse_provider_json(rows.text(2));
  if (!provider) return fail(Errc::kCorrupt, "provider registry: a stored provider cannot be read");
  provider->id = ProviderId{rows.integer(0)};
  return provider;
}

Result<Provider> one(SqliteRows rows) {
  MN_TRY(found, rows.step());
  if (!found) return fail(Errc::kNotFound, "no such provider");
  return provider_of(rows);
}

Result<std::vector<Provider>> all(SqliteRows rows) {
  std::vector<Provider> providers;
  while (true) {
    MN_TRY(more, rows.step());
    if (!more) return providers;
    MN_TRY(provider, provider_of(rows));
    providers.push_back(std::move(provider));
  }
}

bool has_mail(const Provider& provider, std::string_view mail) {
  return std::ranges::any_of(provider.mails, [&](const auto& m) { return ascii_iequals(m, mail); });
}

// False only when the provider has an identifier in that system, and not this one.
bool identifier_agrees(const Provider& provider, const ProviderClaim& claim) {
  bool in_system = false;
  for (const auto& identifier : provider.identifiers) {
    if (!claim.system.empty() && !identifier.system.empty() && identifier.system != claim.system) continue;
    if (identifier.value == claim.id) return true;
    in_system = true;
  }
  return claim.id == provider.code || !in_system;
}

bool name_agrees(const Provider& provider, const ProviderClaim& claim) {
  const std::string family = fold_name(claim.family);
  const std::string given = fold_name(claim.given);
  if (family.empty()) return true;
  return std::ranges::any_of(provider.names, [&](const PersonName& n) {
    const std::string known_given = fold_name(n.given);
    // An initial stands for a given name ("J." for "John").
    const bool given_agrees = given.empty() || known_given.empty() || known_given.starts_with(given);
    return fold_name(n.family) == family && given_agrees;
  });
}

bool id_is_mail(const ProviderClaim& claim) { return claim.id.find('@') != std::string::npos; }

}  // namespace

Status ProviderWriter::apply(const Entry& entry) {
  const bool import = entry.record.kind == RecordKind::kRegistryImport;
  if (!import && entry.record.kind != RecordKind::kRegistryChange) return {};
  const auto document = json::parse(entry.record.meta);
  if (!document || document->root()["what"].string_or("") != "providers") return {};
  const auto meta = document->root();
  RegistryLogEntry log{.seq = entry.seq,
                       .time = entry.record.time,
                       .what = "providers",
                       .action = import ? "import" : std::string(meta["change"]["op"].string_or("")),
                       .by = std::string(meta["by"].string_or(""))};
  const auto rows = import ? Changer(db_).import(entry, meta) : Changer(db_).change(meta["change"]);
  const bool content = rows || rows.error().code == Errc::kRefused || rows.error().code == Errc::kNotFound ||
                       rows.error().code == Errc::kTooLarge;
  if (!content) return std::unexpected(rows.error());
  log.applied = rows.has_value();
  log.rows = rows.value_or(0);
  if (!rows) log.detail = rows.error().what;
  return note_registry_change(db_, log);
}

Result<Provider> ProviderRegistry::get(ProviderId id) {
  MN_TRY(rows, db_.query("SELECT id, code, json FROM provider WHERE id = $1", id.value));
  return one(std::move(rows));
}

Result<Provider> ProviderRegistry::by_code(std::string_view code) {
  MN_TRY(rows, db_.query("SELECT id, code, json FROM provider WHERE code = $1", code));
  return one(std::move(rows));
}

Result<std::vector<Provider>> ProviderRegistry::by_mail(std::string_view address) {
  MN_TRY(
      rows,
      db_.query("SELECT id, code, json FROM provider_mail JOIN provider ON id = provider WHERE mail = $1 ORDER BY id",
                ascii_lower(address)));
  return all(std::move(rows));
}

Result<std::vector<Provider>> ProviderRegistry::by_identifier(const ProviderIdentifier& identifier) {
  // The site's own code is an identifier without system. A provider's identifier without system is good for any.
  MN_TRY(rows, db_.query("SELECT id, code, json FROM provider WHERE id IN (SELECT provider FROM provider_identifier"
                         " WHERE value = $1 AND ($2 = '' OR system = '' OR system = $2)) OR code = $1 ORDER BY id",
                         identifier.value, identifier.system));
  return all(std::move(rows));
}

Result<std::vector<Provider>> ProviderRegistry::by_name(std::string_view family, std::string_view given) {
  MN_TRY(rows, db_.query("SELECT id, code, json FROM provider_name JOIN provider ON id = provider WHERE family = $1"
                         " ORDER BY id",
                         fold_name(family)));
  MN_TRY(providers, all(std::move(rows)));
  ProviderClaim claim;
  claim.family = family;
  claim.given = given;
  std::erase_if(providers, [&](const Provider& provider) { return !name_agrees(provider, claim); });
  return providers;
}

Result<std::vector<Provider>> ProviderRegistry::list(std::string_view after_code, std::size_t limit) {
  MN_TRY(rows, db_.query("SELECT id, code, json FROM provider WHERE code > $1 ORDER BY code LIMIT $2", after_code,
                         std::min(limit, kRegistryPageMax)));
  return all(std::move(rows));
}

Result<ProviderVerification> ProviderRegistry::verify(const ProviderClaim& claim) {
  const std::string mail = claim.mail.empty() && id_is_mail(claim) ? claim.id : claim.mail;
  const bool by_id = !claim.id.empty() && !id_is_mail(claim);
  if (mail.empty() && !by_id) return ProviderVerification{};
  std::vector<Provider> found;
  if (!mail.empty()) {
    MN_TRY(with_mail, by_mail(mail));
    found = std::move(with_mail);
  }
  // Somebody's id with an address that is not theirs is worth another word than an address that nobody has.
  if (found.empty() && by_id) {
    MN_TRY(with_id, by_identifier({claim.system, claim.id}));
    found = std::move(with_id);
  }
  if (found.size() > 1) std::erase_if(found, [](const Provider& p) { return p.activity == Activity::kInactive; });
  if (found.size() > 1 && by_id) {
    std::erase_if(found, [&](const Provider& p) { return !identifier_agrees(p, claim); });
  }
  if (found.empty()) return ProviderVerification{ProviderMatch::kUnknown, {}};
  if (found.size() > 1) return ProviderVerification{ProviderMatch::kAmbiguous, {}};
  const Provider& provider = found.front();
  bool theirs = identifier_agrees(provider, claim);
  if (by_id) {
    MN_TRY(owners, by_identifier({claim.system, claim.id}));
    const bool owned = std::ranges::any_of(owners, [&](const Provider& p) { return p.id == provider.id; });
    theirs = theirs && (owned || owners.empty());
  }
  ProviderMatch match = ProviderMatch::kMatch;
  if (!mail.empty() && !has_mail(provider, mail)) {
    match = ProviderMatch::kMailDiffers;
  } else if (by_id && !theirs) {
    match = ProviderMatch::kIdentifierDiffers;
  } else if (!name_agrees(provider, claim)) {
    match = ProviderMatch::kNameDiffers;
  } else if (provider.activity == Activity::kInactive) {
    match = ProviderMatch::kInactive;
  }
  return ProviderVerification{match, provider.id};
}

}  // namespace minato
