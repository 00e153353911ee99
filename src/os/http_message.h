// Checks and takes apart what libmicrohttpd leaves to its caller: the request target, framing headers, the bearer
// token. Pure functions, internal to the folder.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "os/http_server.h"

namespace minato::http {

// Why a request is answered before anybody looks at its route.
struct Refusal {
  int status = 400;
  std::string_view why;
};

struct Target {
  std::vector<std::string> segments;  // decoded, without the first slash: "/a%2Fb/" is {"a/b", ""}
  std::string path;                   // the segments with slashes
  std::vector<std::pair<std::string, std::string>> query;
};
// Origin-form and absolute-form (RFC 9112 section 3.2). 400: anything else, a malformed escape, NUL, a segment . or ..
std::expected<Target, Refusal> parse_target(std::string_view target);

struct Framing {
  bool has_body = false;
  bool chunked = false;
  std::uint64_t content_length = 0;
  bool expects_continue = false;
};
// RFC 9112 section 6 and section 3.2 (Host). 400: a header's name or value that
// is malformed (section 5.1), or more than one way to read where the message ends. 501: an unknown coding.
std::expected<Framing, Refusal> check_framing(std::string_view version, const Headers& headers);

// 501: not one of the methods of RFC 9110 and RFC 5789. 505: not HTTP/1.x.
std::optional<Refusal> check_request_line(std::string_view method, std::string_view version);

// nullopt in the result: no Authorization header, or of another scheme. 400: more than one, or a token that is none
// (RFC 6750 section 2.1).
std::expected<std::optional<std::string>, Refusal> bearer_token(const Headers& headers);

}  // namespace minato::http
