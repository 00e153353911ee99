// How the client commands talk to the server: HTTP to its admin interface, found by the data directory (which holds the
// address and the token) or by URL. Prints an error to standard error and leaves the exit status to the caller.
#pragma once

#include <string>
#include <string_view>

#include "app/commands.h"
#include "base/error.h"
#include "format/json/json.h"
#include "os/http_client.h"

namespace minato {

class AdminClient {
 public:
  // kUnavailable: no server is known there. kNotFound: the data directory is not there.
  static Result<AdminClient> open(const AdminOptions& options);

  // The body of a 2xx answer; errors carry what the server said: kRefused (4xx), kNotFound, kConflict, kUnavailable.
  Result<std::string> get(const std::string& path) { return send("GET", path, {}, {}); }
  Result<std::string> send(std::string method, const std::string& path, std::string body, std::string content_type);

 private:
  std::string url_, token_, ca_file_;
  http::Client client_;
};

// Appends "&name=value", encoded, when the value is not empty; starts with '?' if nothing stands there yet.
void add_query(std::string& path, std::string_view name, std::string_view value);

// Standard error, and the exit status that the error's class stands for.
int report(const Error& error);

// One JSON object a line, of the array `member` in the document; for --json listings.
void print_lines(json::Value array);

}  // namespace minato
