// Who may use the HTTP interface: bearer tokens with scopes. The file keeps only SHA-256 digests, so whoever reads it
// cannot use it; a token is shown once, when it is made. At the first start the administrator's token is made and
// written to `admin.token`, readable by the owner.
//
// Scopes are "area.read" or "area.write" (messages, queue, registry, notices, system, tokens); "write" includes "read",
// "*" everything. Thread-safe. Files: docs/formats/data-directory.md.
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "os/clock.h"
#include "os/files.h"
#include "os/http_server.h"

namespace minato::admin {

struct TokenInfo {
  std::string name;
  std::vector<std::string> scopes;
  Time created{};
};

// Whether one of the scopes grants what a route wants.
bool grants(const std::vector<std::string>& scopes, std::string_view wanted);

class Tokens : public http::Authenticator {
 public:
  // Reads `directory`/tokens.json, and makes the administrator's token when there is none.
  static Result<std::unique_ptr<Tokens>> open(Files& files, Clock& clock, const std::string& directory);

  // The token itself: it is not kept. kConflict: the name is taken. kRefused: an empty name or an unknown scope.
  Result<std::string> create(std::string_view name, std::vector<std::string> scopes);
  // kNotFound. kRefused: the last token that may manage tokens would go.
  Status revoke(std::string_view name);
  std::vector<TokenInfo> list() const;

  // From `Authorization: Bearer` or, for pages, from the session cookie that the login sets.
  http::Decision decide(const http::Request& request, const http::Route& route) override;
  std::optional<http::Principal> principal(std::string_view token) const;
  static std::optional<std::string> token_of(const http::Request& request);

 private:
  struct Entry {
    TokenInfo info;
    std::string sha256;  // hex
  };
  Tokens(Files& files, Clock& clock, std::string directory)
      : files_(files), clock_(clock), directory_(std::move(directory)) {}
  Status load();
  Status save() const;  // with mutex_ held

  Files& files_;
  Clock& clock_;
  std::string directory_;
  mutable std::mutex mutex_;
  std::vector<Entry> entries_;
};

inline constexpr std::string_view kSessionCookie = "minato_session";

}  // namespace minato::admin
