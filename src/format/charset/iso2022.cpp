#include "format/charset/iso2022.h"

#include "format/charset/jis.h"
#include "format/charset/utf8.h"

namespace minato::charset {
namespace {

// Takes what is read; the other one only looks whether all is valid.
struct TextSink {
  std::string& out;
  void text(std::string_view ascii) { out.append(ascii); }
  void character(char32_t c) { append_utf8(c, out); }
};
struct NoSink {
  void text(std::string_view) {}
  void character(char32_t) {}
};

// Reads one text; the state is G0.
template <typename Sink>
class Reader {
 public:
  Reader(std::string_view bytes, Sink sink) : bytes_(bytes), sink_(sink) {}

  bool run() {
    while (pos_ < bytes_.size()) {
      if (g0_ == G0::kAscii) plain();
      if (pos_ < bytes_.size()) step();
    }
    return ok_ && !shifted();
  }

 private:
  bool shifted() const { return g0_ != G0::kAscii && g0_ != G0::kJisRoman; }
  unsigned byte_at(std::size_t pos) const { return static_cast<std::uint8_t>(bytes_[pos]); }

  void put(char32_t c) {
    ok_ = ok_ && c != 0;
    sink_.character(c != 0 ? c : kReplacement);
  }

  void plain() {
    const std::size_t end = first_non_plain(bytes_, pos_);
    sink_.text(bytes_.substr(pos_, end - pos_));
    pos_ = end;
  }

  void step() {
    const unsigned byte = byte_at(pos_);
    if (byte == 0x1B) return escape();
    if (byte < 0x20 || (g0_ == G0::kJisKatakana && byte >= 0x60 && byte < 0x80)) {
      // JIS X 0202 and HL7: a control character, and so the end of a segment, returns to the first state.
      // The text before it is readable, but the sender has forgotten to shift back: delimiters may have been taken for text.
      ok_ = ok_ && !shifted();
      g0_ = G0::kAscii;
      sink_.character(byte);
      ++pos_;
      return;
    }
    if (byte >= 0x80) {
      put(byte >= 0xA1 && byte <= 0xDF ? kHalfKanaFirst + (byte - 0xA1) : 0u);
      ++pos_;
      return;
    }
    if (g0_ == G0::kJisX0208 || g0_ == G0::kJisX0212) return pair(byte);
    put(single(byte));
    ++pos_;
  }

  void escape() {
    const Designation found = designation_at(bytes_, pos_);
    if (found.length == 0) {
      // Some other set's designation: nobody can read what follows, but the byte itself is a control character like another.
      ok_ = false;
      sink_.character(0x1B);
      ++pos_;
      return;
    }
    g0_ = found.g0;
    pos_ += found.length;
  }

  // The same rule as Scanner's: two bytes of 21-7E are a character, anything else is one byte.
  void pair(unsigned first) {
    if (first == 0x20) {
      put(' ');
      ++pos_;
      return;
    }
    if (!is_94(first) || pos_ + 1 >= bytes_.size() || !is_94(byte_at(pos_ + 1))) {
      put(0);
      ++pos_;
      return;
    }
    const unsigned second = byte_at(pos_ + 1);
    put(g0_ == G0::kJisX0208 ? tables_.from_0208(first, second) : tables_.from_0212(first, second));
    pos_ += 2;
  }

  char32_t single(unsigned byte) const {
    if (g0_ == G0::kJisRoman && byte == 0x5C) return 0xA5;
    if (g0_ == G0::kJisRoman && byte == 0x7E) return 0x203E;
    if (g0_ == G0::kJisKatakana && byte > 0x20) return kHalfKanaFirst + (byte - 0x21);
    return byte;
  }

  std::string_view bytes_;
  Sink sink_;
  const JisTables& tables_ = JisTables::get();
  std::size_t pos_ = 0;
  G0 g0_ = G0::kAscii;
  bool ok_ = true;
};

}  // namespace

bool decode_iso2022_jp(std::string_view bytes, std::string& out) {
  return Reader<TextSink>(bytes, TextSink{out}).run();
}

bool valid_iso2022_jp(std::string_view bytes) { return Reader<NoSink>(bytes, NoSink{}).run(); }

void Iso2022Writer::shift(G0 to) {
  if (g0_ == to) return;
  g0_ = to;
  switch (to) {
    case G0::kAscii: out_ += "\x1B(B"; break;
    case G0::kJisRoman: out_ += "\x1B(J"; break;
    case G0::kJisKatakana: out_ += "\x1B(I"; break;
    case G0::kJisX0208: out_ += "\x1B$B"; break;
    case G0::kJisX0212: out_ += "\x1B$(D"; break;
  }
}

bool Iso2022Writer::put(char32_t c) {
  if (c < 0x80) {
    shift(G0::kAscii);
    out_.push_back(static_cast<char>(c));
    return true;
  }
  if (c >= kHalfKanaFirst && c < kHalfKanaFirst + kHalfKanaCount) {
    shift(G0::kJisKatakana);
    out_.push_back(static_cast<char>(0x21 + (c - kHalfKanaFirst)));
    return true;
  }
  if (c >= 0x10000) return false;
  const JisTables& tables = JisTables::get();
  JisCode code = tables.to_0208(static_cast<char16_t>(c));
  const G0 set = code != 0 ? G0::kJisX0208 : G0::kJisX0212;
  if (code == 0) code = tables.to_0212(static_cast<char16_t>(c));
  if (code == 0) return false;
  shift(set);
  out_.push_back(static_cast<char>(code >> 8));
  out_.push_back(static_cast<char>(code & 0xFF));
  return true;
}

}  // namespace minato::charset
