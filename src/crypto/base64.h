// Base64 with padding, and its URL and file name safe alphabet without (RFC 4648 sections 4 and 5).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace minato::crypto {

std::string to_base64(std::string_view bytes);
std::string to_base64url(std::string_view bytes);
// Strict: the padding must be right, unused bits zero, no space or line end (sections 3.2, 3.3, 3.5). nullopt: not
// that.
std::optional<std::string> from_base64(std::string_view text);
std::optional<std::string> from_base64url(std::string_view text);

}  // namespace minato::crypto
