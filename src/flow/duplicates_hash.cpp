#include "flow/duplicates_hash.h"

#include <bit>
#include <cstring>

namespace minato {
namespace {

std::uint64_t load_le(const char* from) {
  std::uint64_t word = 0;
  std::memcpy(&word, from, sizeof word);
  static_assert(std::endian::native == std::endian::little);
  return word;
}

}  // namespace

SipHash::SipHash(const SipKey& key)
    : v0_(key.k0 ^ 0x736f6d6570736575),
      v1_(key.k1 ^ 0x646f72616e646f6d ^ 0xee),
      v2_(key.k0 ^ 0x6c7967656e657261),
      v3_(key.k1 ^ 0x7465646279746573) {}

void SipHash::round() {
  v0_ += v1_;
  v1_ = std::rotl(v1_, 13) ^ v0_;
  v0_ = std::rotl(v0_, 32);
  v2_ += v3_;
  v3_ = std::rotl(v3_, 16) ^ v2_;
  v0_ += v3_;
  v3_ = std::rotl(v3_, 21) ^ v0_;
  v2_ += v1_;
  v1_ = std::rotl(v1_, 17) ^ v2_;
  v2_ = std::rotl(v2_, 32);
}

void SipHash::block(std::uint64_t m) {
  v3_ ^= m;
  round();
  round();
  v0_ ^= m;
}

SipHash& SipHash::add(std::string_view bytes) {
  std::size_t at = 0;
  while (length_ % 8 != 0 && at < bytes.size()) {
    partial_ |= std::uint64_t{static_cast<unsigned char>(bytes[at++])} << (8 * (length_ % 8));
    if (++length_ % 8 == 0) {
      block(partial_);
      partial_ = 0;
    }
  }
  for (; at + 8 <= bytes.size(); at += 8, length_ += 8) block(load_le(bytes.data() + at));
  for (; at < bytes.size(); ++at, ++length_) {
    partial_ |= std::uint64_t{static_cast<unsigned char>(bytes[at])} << (8 * (length_ % 8));
  }
  return *this;
}

SipHash& SipHash::add(std::uint64_t number) {
  char bytes[sizeof number];
  std::memcpy(bytes, &number, sizeof number);
  return add(std::string_view(bytes, sizeof bytes));
}

Hash128 SipHash::finish() {
  block(partial_ | (length_ << 56));
  v2_ ^= 0xee;
  for (int i = 0; i < 4; ++i) round();
  Hash128 out;
  out.low = v0_ ^ v1_ ^ v2_ ^ v3_;
  v1_ ^= 0xdd;
  for (int i = 0; i < 4; ++i) round();
  out.high = v0_ ^ v1_ ^ v2_ ^ v3_;
  return out;
}

}  // namespace minato
