#include "edge/admin/tokens.h"

#include <algorithm>
#include <array>

#include "base/json_writer.h"
#include "base/limits.h"
#include "crypto/random.h"
#include "crypto/sha256.h"
#include "format/json/json.h"

namespace minato::admin {
namespace {

constexpr std::array<std::string_view, 6> kAreas = {"messages", "queue", "registry", "notices", "system", "tokens"};

bool known_scope(std::string_view scope) {
  if (scope == "*") return true;
  const std::size_t dot = scope.find('.');
  if (dot == std::string_view::npos) return false;
  const std::string_view right = scope.substr(dot + 1);
  return std::ranges::find(kAreas, scope.substr(0, dot)) != kAreas.end() && (right == "read" || right == "write");
}

std::string digest_of(std::string_view token) { return crypto::hex(crypto::sha256(token)); }

// The value of a cookie of RFC 6265 section 4.2.
std::optional<std::string> cookie(std::string_view header, std::string_view name) {
  while (!header.empty()) {
    const std::size_t end = header.find(';');
    std::string_view pair = header.substr(0, end);
    header = end == std::string_view::npos ? std::string_view() : header.substr(end + 1);
    while (!pair.empty() && pair.front() == ' ') pair.remove_prefix(1);
    const std::size_t equals = pair.find('=');
    if (equals != std::string_view::npos && pair.substr(0, equals) == name) return std::string(pair.substr(equals + 1));
  }
  return std::nullopt;
}

}  // namespace

bool grants(const std::vector<std::string>& scopes, std::string_view wanted) {
  const std::size_t dot = wanted.find('.');
  const std::string write = dot == std::string_view::npos ? "" : std::string(wanted.substr(0, dot)) + ".write";
  return std::ranges::any_of(
      scopes, [&](const std::string& scope) { return scope == "*" || scope == wanted || scope == write; });
}

Result<std::unique_ptr<Tokens>> Tokens::open(Files& files, Clock& clock, const std::string& directory) {
  std::unique_ptr<Tokens> tokens(new Tokens(files, clock, directory));
  MN_TRY(there, files.exists(directory + "/tokens.json"));
  if (there) {
    MN_CHECK(tokens->load());
    return tokens;
  }
  // The plain token first: a crash between the two files leaves one that opens nothing, and the next start makes both
  // anew.
  const std::string token = crypto::random_token();
  MN_CHECK(write_file_atomically(files, directory + "/admin.token", token + "\n"));
  const std::lock_guard lock(tokens->mutex_);
  tokens->entries_.push_back({{"admin", {"*"}, clock.now()}, digest_of(token)});
  MN_CHECK(tokens->save());
  return tokens;
}

Status Tokens::load() {
  MN_TRY(text, read_file(files_, directory_ + "/tokens.json", kMiB));
  MN_TRY(document, json::parse(text));
  const std::lock_guard lock(mutex_);
  for (const auto element : document.root()["tokens"].entries()) {
    Entry entry;
    entry.info.name = element.value["name"].string_or("");
    entry.sha256 = element.value["sha256"].string_or("");
    for (const auto scope : element.value["scopes"].entries())
      entry.info.scopes.emplace_back(scope.value.string_or(""));
    entry.info.created = from_rfc3339(element.value["created"].string_or("")).value_or(Time{});
    if (entry.info.name.empty() || entry.sha256.size() != 64) return fail(Errc::kCorrupt, "tokens.json is malformed");
    entries_.push_back(std::move(entry));
  }
  return {};
}

Status Tokens::save() const {
  std::string text;
  JsonWriter json(text);
  json.begin_object().key("tokens").begin_array();
  for (const Entry& entry : entries_) {
    json.begin_object().member("name", entry.info.name).member("sha256", entry.sha256);
    json.member("created", to_rfc3339(entry.info.created)).key("scopes").begin_array();
    for (const std::string& scope : entry.info.scopes) json.value(scope);
    json.end_array().end_object();
  }
  json.end_array().end_object();
  return write_file_atomically(files_, directory_ + "/tokens.json", text + "\n");
}

Result<std::string> Tokens::create(std::string_view name, std::vector<std::string> scopes) {
  if (name.empty() || name.size() > 100) return fail(Errc::kRefused, "a token needs a name of 1 to 100 bytes");
  if (scopes.empty()) return fail(Errc::kRefused, "a token needs a scope");
  for (const std::string& scope : scopes) {
    if (!known_scope(scope)) {
      return fail(Errc::kRefused,
                  "unknown scope; there are * and AREA.read, AREA.write of messages, queue, registry, "
                  "notices, system, tokens");
    }
  }
  const std::lock_guard lock(mutex_);
  if (std::ranges::any_of(entries_, [&](const Entry& entry) { return entry.info.name == name; })) {
    return fail(Errc::kConflict, "a token of this name exists");
  }
  std::string token = crypto::random_token();
  entries_.push_back({{std::string(name), std::move(scopes), clock_.now()}, digest_of(token)});
  if (const Status saved = save(); !saved) {
    entries_.pop_back();
    return std::unexpected(saved.error());
  }
  return token;
}

Status Tokens::revoke(std::string_view name) {
  const std::lock_guard lock(mutex_);
  const auto at = std::ranges::find_if(entries_, [&](const Entry& entry) { return entry.info.name == name; });
  if (at == entries_.end()) return fail(Errc::kNotFound, "no token of this name");
  const auto managers =
      std::ranges::count_if(entries_, [](const Entry& e) { return grants(e.info.scopes, "tokens.write"); });
  if (managers == 1 && grants(at->info.scopes, "tokens.write")) {
    return fail(Errc::kRefused, "this is the last token that may manage tokens");
  }
  const Entry removed = *at;
  entries_.erase(at);
  if (const Status saved = save(); !saved) {
    entries_.push_back(removed);
    return saved;
  }
  return {};
}

std::vector<TokenInfo> Tokens::list() const {
  const std::lock_guard lock(mutex_);
  std::vector<TokenInfo> out;
  for (const Entry& entry : entries_) out.push_back(entry.info);
  return out;
}

std::optional<std::string> Tokens::token_of(const http::Request& request) {
  if (request.bearer_token) return request.bearer_token;
  const auto header = request.header("Cookie");
  return header ? cookie(*header, kSessionCookie) : std::nullopt;
}

std::optional<http::Principal> Tokens::principal(std::string_view token) const {
  const std::string digest = digest_of(token);
  const std::lock_guard lock(mutex_);
  for (const Entry& entry : entries_) {
    if (crypto::equal_constant_time(entry.sha256, digest)) return http::Principal{entry.info.name, entry.info.scopes};
  }
  return std::nullopt;
}

http::Decision Tokens::decide(const http::Request& request, const http::Route& route) {
  // A cookie travels by itself: a page of another site must not be able to make a browser change anything here.
  const bool changes = request.method != "GET" && request.method != "HEAD";
  const std::optional<std::string> token = changes ? request.bearer_token : token_of(request);
  if (!token) return {};
  auto found = principal(*token);
  if (!found) return {};
  const bool granted = grants(found->scopes, route.scope);
  return {granted ? http::Access::kGranted : http::Access::kForbidden, std::move(*found)};
}

}  // namespace minato::admin
