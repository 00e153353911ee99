// SipHash-2-4 with 128 bits of output (Aumasson, Bernstein: "SipHash: a fast short-input PRF"): without the key nobody
// can make two inputs that meet, so a hostile sender can neither crowd a table nor pass one message off as another.
#pragma once

#include <cstdint>
#include <string_view>

namespace minato {

struct SipKey {
  std::uint64_t k0 = 0;
  std::uint64_t k1 = 0;
};

struct Hash128 {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  bool operator==(const Hash128&) const = default;
};

// Of the concatenation of pieces, fed in order. Where pieces could shift into one another, the caller feeds lengths
// too.
class SipHash {
 public:
  explicit SipHash(const SipKey& key);
  SipHash& add(std::string_view bytes);
  SipHash& add(std::uint64_t number);
  Hash128 finish();

 private:
  void round();
  void block(std::uint64_t m);

  std::uint64_t v0_, v1_, v2_, v3_;
  std::uint64_t partial_ = 0;  // the bytes that fill no block yet, little endian
  std::uint64_t length_ = 0;
};

}  // namespace minato
