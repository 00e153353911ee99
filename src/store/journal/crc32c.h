// CRC-32C (Castagnoli polynomial, RFC 3720 section 12.1 and appendix B.4), with the processor's instruction where it
// has one. Pieces: crc32c(b, crc32c(a)) is that of a and b side by side.
#pragma once

#include <cstdint>
#include <string_view>

namespace minato {

std::uint32_t crc32c(std::string_view bytes, std::uint32_t before = 0);
// By tables, the same on every processor; for the test and for processors without the instruction.
std::uint32_t crc32c_portable(std::string_view bytes, std::uint32_t before = 0);

}  // namespace minato
