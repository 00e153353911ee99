// Finds delimiter bytes that are characters of their own, passing over those inside multi-byte characters: in ISO-2022-JP the
// second byte of 糖 is '|', in Shift_JIS that of ソ is '\'. Splitting is done on the received bytes with this; text is decoded
// later, so every view and offset points into what was received.
//
//   charset::Scanner scanner(Encoding::kShiftJis, bytes, escape);
//   while (scanner.next(delimiters)) use(scanner.position());
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include "format/charset/charset.h"

namespace minato::charset {

// A set of byte values. NUL is never a member: it stands for "no such delimiter".
class ByteSet {
 public:
  constexpr ByteSet() = default;
  constexpr ByteSet(std::initializer_list<char> bytes) {
    for (const char byte : bytes) add(byte);
  }
  constexpr void add(char byte) {
    if (byte != 0) words_[word(byte)] |= bit(byte);
  }
  constexpr bool has(char byte) const { return (words_[word(byte)] & bit(byte)) != 0; }

 private:
  static constexpr std::size_t word(char byte) { return static_cast<std::uint8_t>(byte) >> 6; }
  static constexpr std::uint64_t bit(char byte) { return std::uint64_t{1} << (static_cast<std::uint8_t>(byte) & 63); }
  std::array<std::uint64_t, 4> words_{};
};

// The length in bytes of the character at `pos`, in an encoding without shift states; 1 for an invalid lead byte. pos < size.
std::size_t character_length(Encoding encoding, std::string_view bytes, std::size_t pos);

// For an encoding that is not ascii_safe: the end of the run of multi-byte characters that begins at `pos`, or of the shifted text
// that a designation there begins; what follows is in single-byte state. `pos` itself when nothing of the kind begins there.
// In ISO-2022-JP the HL7 switches \Cxxyy\ and \Mxxyyzz\ count as their ISO 2022 escapes, when `hl7_escape` is not NUL.
std::size_t skip_multibyte(Encoding encoding, std::string_view bytes, std::size_t pos, char hl7_escape);

// Walks over `bytes` once. The text starts in single-byte state, as HL7 demands of every delimiter (v2.5.1 section 2.7.2); a C0
// control such as CR returns to it.
class Scanner {
 public:
  Scanner(Encoding encoding, std::string_view bytes, char hl7_escape, std::size_t begin = 0)
      : bytes_(bytes), next_(begin), encoding_(encoding), safe_(ascii_safe(encoding)), hl7_escape_(hl7_escape) {}

  // Moves to the next byte of `wanted` that is a character of its own; false at the end, where position() is the size.
  bool next(const ByteSet& wanted) {
    if (!safe_) return next_multibyte(wanted);
    while (next_ < bytes_.size()) {
      position_ = next_++;
      if (wanted.has(bytes_[position_])) return true;
    }
    position_ = bytes_.size();
    return false;
  }
  std::size_t position() const { return position_; }

 private:
  bool next_multibyte(const ByteSet& wanted);

  std::string_view bytes_;
  std::size_t next_ = 0;
  std::size_t position_ = 0;
  Encoding encoding_;
  bool safe_;
  char hl7_escape_;
};

// How an ISO 2022 designation, or its HL7 form, changes G0.
enum class G0 : std::uint8_t { kAscii, kJisRoman, kJisKatakana, kJisX0208, kJisX0212 };
struct Designation {
  G0 g0 = G0::kAscii;
  std::size_t length = 0;  // 0: there is none here
};
// At an ESC byte: ESC ( B, ESC ( J, ESC ( H, ESC ( I, ESC $ @, ESC $ B, ESC $ ( @, ESC $ ( B, ESC $ ( D.
Designation designation_at(std::string_view bytes, std::size_t pos);
// At an HL7 escape character: \C2842\, \M2442\, \M244244\ … (HL7 v2.5.1 section 2.7.3).
Designation hl7_designation_at(std::string_view bytes, std::size_t pos, char escape);

}  // namespace minato::charset
