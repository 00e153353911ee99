// Base64 for mail bodies and headers (RFC 2045 section 6.8). This floor is below crypto/, which has the general one.
#pragma once

#include <string>
#include <string_view>

namespace minato {

std::string base64(std::string_view bytes);
// In lines of 76 characters, each ended by CR LF.
std::string base64_lines(std::string_view bytes);

}  // namespace minato
