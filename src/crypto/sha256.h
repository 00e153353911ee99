// SHA-256 (FIPS 180-4) and HMAC-SHA-256 (RFC 2104) by OpenSSL. Functions are thread-safe; an object belongs to one
// thread.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

struct evp_md_ctx_st;

namespace minato::crypto {

using Digest = std::array<std::uint8_t, 32>;

Digest sha256(std::string_view bytes);
Digest hmac_sha256(std::string_view key, std::string_view bytes);
// 64 lower-case hexadecimal digits.
std::string hex(const Digest& digest);
inline std::string_view bytes(const Digest& digest) {
  return {reinterpret_cast<const char*>(digest.data()), digest.size()};
}

// For bytes that come in pieces.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(const Sha256&) = delete;
  Sha256& operator=(const Sha256&) = delete;

  void update(std::string_view bytes);
  // The digest of all since the start or the last finish(); the next update() begins anew.
  Digest finish();

 private:
  evp_md_ctx_st* context_;
};

}  // namespace minato::crypto
