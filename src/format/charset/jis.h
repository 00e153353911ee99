// The Japanese code tables, with one mapping for all three encodings. Built once, from ICU's tables; immutable and
// thread-safe after.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>

namespace minato::charset {

// A position in a 94x94 set as two bytes 21-7E: 0x3021 is 亜. 0: none.
using JisCode = std::uint16_t;

class JisTables {
 public:
  static const JisTables& get();

  // 0: unassigned. JIS X 0208, and the rows 13 and 89-92 that cp932 adds.
  char16_t from_0208(unsigned first, unsigned second) const { return x0208_[index(first, second)]; }
  char16_t from_0212(unsigned first, unsigned second) const { return x0212_[index(first, second)]; }
  // Both bytes of a Shift_JIS character; also IBM's extensions (FA40-FC4B) and user-defined characters (F040-F9FC:
  // U+E000 on).
  char16_t from_shift_jis(unsigned lead, unsigned trail) const;

  JisCode to_0208(char16_t c) const { return (*to_0208_)[c]; }
  JisCode to_0212(char16_t c) const { return (*to_0212_)[c]; }
  // Both bytes; 0: none.
  std::uint16_t to_shift_jis(char16_t c) const;

 private:
  static constexpr std::size_t kSide = 94;
  using Grid = std::array<char16_t, kSide * kSide>;
  using Reverse = std::array<JisCode, 65536>;

  JisTables();
  void load_0208();
  void load_0212();
  void load_ibm();
  void apply_standard_mapping();
  void reverse_all();
  static std::size_t index(unsigned first, unsigned second) { return (first - 0x21) * kSide + (second - 0x21); }

  Grid x0208_{};
  Grid x0212_{};
  std::array<char16_t, 3 * 188> ibm_{};  // FA40-FCFC by (lead - FA) * 188 + trail index
  std::unique_ptr<Reverse> to_0208_;
  std::unique_ptr<Reverse> to_0212_;
  std::unique_ptr<Reverse> to_ibm_;
};

inline bool is_94(unsigned byte) { return byte >= 0x21 && byte <= 0x7E; }
inline bool is_sjis_lead(unsigned byte) { return (byte >= 0x81 && byte <= 0x9F) || (byte >= 0xE0 && byte <= 0xFC); }
inline bool is_sjis_trail(unsigned byte) { return byte >= 0x40 && byte <= 0xFC && byte != 0x7F; }
// Shift_JIS bytes (lead 81-EF) to 21-7E bytes, and back. Rows 1-94 only.
std::pair<unsigned, unsigned> sjis_to_jis(unsigned lead, unsigned trail);
std::uint16_t jis_to_sjis(JisCode code);

inline constexpr char16_t kHalfKanaFirst = 0xFF61;  // for byte A1 (or 21 in 7-bit katakana); 63 of them follow
inline constexpr unsigned kHalfKanaCount = 63;

}  // namespace minato::charset
