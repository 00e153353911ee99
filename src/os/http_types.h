// What the HTTP server and client share.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace minato::http {

// In the order in which they stand. Names are compared without case (RFC 9110 section 5.1).
using Headers = std::vector<std::pair<std::string, std::string>>;

// The first value of that name; nullopt when there is none.
std::optional<std::string_view> find(const Headers& headers, std::string_view name);

// RFC 9110 section 5.6.2: what a method or a header's name is made of.
bool is_token(std::string_view text);
// RFC 9110 section 5.5: no control characters but the tab.
bool is_field_value(std::string_view text);

// The reason phrase that RFC 9110 section 15 gives the status; empty for one it does not know.
std::string_view reason(int status);

// %XX decoded; form_decode also reads + as a space (application/x-www-form-urlencoded). nullopt: half an
// escape, or one that is no hexadecimal number.
std::optional<std::string> percent_decode(std::string_view text);
std::optional<std::string> form_decode(std::string_view text);
// Everything but the unreserved characters of RFC 3986 section 2.3 as %XX.
std::string percent_encode(std::string_view text);

}  // namespace minato::http
