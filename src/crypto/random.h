// Bytes that nobody can guess, and a comparison that tells nothing by its time.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace minato::crypto {

// From OpenSSL's generator. Aborts when the system has no randomness: a token that can be guessed is worse than a stop.
std::string random_bytes(std::size_t count);
// 32 random bytes as base64url: a bearer token.
std::string random_token();

// Takes a time that depends on the lengths only.
bool equal_constant_time(std::string_view a, std::string_view b);

}  // namespace minato::crypto
