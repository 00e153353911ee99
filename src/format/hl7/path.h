// Where something is in a message: a path that people and rules write, and a location that answers and lineage carry.
//
//   PID-3          first repetition of PID-3, whole
//   PID-3[2].4     second repetition, fourth component
//   OBX[5]-5.1.2   fifth OBX, OBX-5, first component, second sub-component
// All numbers count from 1, as in ERR-2 (data type ERL, HL7 v2.5.1 section 2.A.28).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/error.h"

namespace minato::hl7 {

class Path {
 public:
  // A path in the source is checked when it is compiled.
  consteval Path(const char* text) : Path(must_parse(text)) {}  // NOLINT: implicit, so that get("PID-3.1") works
  // kRefused: not a path; the text says why.
  static Result<Path> parse(std::string_view text);

  std::string_view segment_id() const { return {segment_id_.data(), segment_id_.size()}; }
  std::uint32_t occurrence() const { return occurrence_; }      // of the segment, >= 1
  std::uint32_t field() const { return field_; }                // >= 1
  std::uint32_t repetition() const { return repetition_; }      // >= 1; 1 when the path says none
  std::uint32_t component() const { return component_; }        // 0: the whole repetition
  std::uint32_t subcomponent() const { return subcomponent_; }  // 0: the whole component
  bool names_repetition() const { return names_repetition_; }

  std::string text() const;
  bool operator==(const Path&) const = default;

 private:
  constexpr Path() = default;
  static consteval Path must_parse(const char* text);
  // nullptr: parsed; otherwise what is wrong.
  static constexpr const char* read(std::string_view text, Path& out);
  static constexpr bool number(std::string_view text, std::size_t& pos, std::uint32_t& out);
  static constexpr bool bracketed(std::string_view text, std::size_t& pos, std::uint32_t& out);

  std::array<char, 3> segment_id_{};
  std::uint32_t occurrence_ = 1;
  std::uint32_t field_ = 0;
  std::uint32_t repetition_ = 1;
  std::uint32_t component_ = 0;
  std::uint32_t subcomponent_ = 0;
  bool names_repetition_ = false;
};

// Of an element that is, or ought to be, in a message. 0 in a number: not that deep. `offset` counts bytes from the
// start of the message as received.
struct Location {
  std::string segment_id;
  std::uint32_t segment_occurrence = 1;
  std::uint32_t field = 0;
  std::uint32_t repetition = 0;
  std::uint32_t component = 0;
  std::uint32_t subcomponent = 0;
  std::size_t offset = 0;

  bool operator==(const Location&) const = default;
  // "PID[1]-3[1].4.1", as deep as it goes. Readable by Path::parse when it names a field.
  std::string text() const;
  // The location that a path names, with no offset.
  static Location of(const Path& path);
};

constexpr bool Path::number(std::string_view text, std::size_t& pos, std::uint32_t& out) {
  const std::size_t begin = pos;
  std::uint32_t value = 0;
  while (pos < text.size() && text[pos] >= '0' && text[pos] <= '9' && pos - begin < 6) {
    value = value * 10 + static_cast<std::uint32_t>(text[pos++] - '0');
  }
  out = value;
  return pos > begin && value > 0;
}

constexpr bool Path::bracketed(std::string_view text, std::size_t& pos, std::uint32_t& out) {
  ++pos;
  if (!number(text, pos, out) || pos >= text.size() || text[pos] != ']') return false;
  ++pos;
  return true;
}

constexpr const char* Path::read(std::string_view text, Path& out) {
  if (text.size() < 5) return "a path is SEG-field";
  for (std::size_t i = 0; i < 3; ++i) {
    const char c = text[i];
    const bool letter = c >= 'A' && c <= 'Z';
    if (!letter && (i == 0 || c < '0' || c > '9')) return "a segment id is a capital letter and two letters or digits";
    out.segment_id_[i] = c;
  }
  std::size_t pos = 3;
  if (text[pos] == '[' && !bracketed(text, pos, out.occurrence_)) return "a segment's occurrence is [1], [2] …";
  if (pos >= text.size() || text[pos] != '-') return "'-' is missing after the segment";
  if (!number(text, ++pos, out.field_)) return "a field is a number from 1 on";
  if (pos < text.size() && text[pos] == '[') {
    if (!bracketed(text, pos, out.repetition_)) return "a repetition is [1], [2] …";
    out.names_repetition_ = true;
  }
  if (pos < text.size() && text[pos] == '.' && !number(text, ++pos, out.component_))
    return "a component is a number from 1 on";
  if (pos < text.size() && text[pos] == '.' && !number(text, ++pos, out.subcomponent_)) {
    return "a sub-component is a number from 1 on";
  }
  return pos == text.size() ? nullptr : "there is more after the path";
}

// Not constexpr, so that calling it while compiling is an error that shows its name.
inline void this_is_not_a_path() {}

consteval Path Path::must_parse(const char* text) {
  Path path;
  if (read(text, path) != nullptr) this_is_not_a_path();
  return path;
}

}  // namespace minato::hl7
