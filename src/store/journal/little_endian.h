// Numbers in the journal's files: unsigned, little endian, without padding.
#pragma once

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace minato {

template <std::unsigned_integral Number>
void put_le(std::string& out, Number number) {
  for (std::size_t byte = 0; byte < sizeof number; ++byte) {
    out.push_back(static_cast<char>(static_cast<std::uint64_t>(number) >> (8 * byte)));
  }
}

// The caller has checked that `offset + sizeof(Number)` is within the bytes.
template <std::unsigned_integral Number>
Number get_le(std::string_view bytes, std::size_t offset) {
  std::uint64_t number = 0;
  for (std::size_t byte = 0; byte < sizeof(Number); ++byte) {
    number |= static_cast<std::uint64_t>(static_cast<unsigned char>(bytes[offset + byte])) << (8 * byte);
  }
  return static_cast<Number>(number);
}

}  // namespace minato
