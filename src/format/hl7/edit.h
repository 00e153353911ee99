// A new message out of an old one with some values changed. Every byte that no change touches stays what it was.
//
//   MessageEditor editor(message);
//   MN_CHECK(editor.set("PID-5.1", "山本"));
//   std::string bytes = editor.build();
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "format/hl7/message.h"
#include "format/hl7/path.h"

namespace minato::hl7 {

// Holds views into the message's bytes: it must outlive the editor. Changes apply in the order of the calls, each to
// the result of those before it. A failed call changes nothing.
class MessageEditor {
 public:
  explicit MessageEditor(const Message& message);

  // Writes the text, encoded and escaped for this message. What is missing up to there (repetitions, components) is
  // filled with delimiters. kNotFound: no such segment. kRefused: MSH-1 or MSH-2, text that the character set or
  // delimiters cannot carry, or a place behind text that is cut off within a character. kTooLarge: a field, repetition
  // or component number over its limit.
  Status set(const Path& path, std::string_view utf8);
  // As set, with bytes that are already encoded and escaped; they may hold delimiters and so structure.
  Status set_raw(const Path& path, std::string_view bytes);
  // All repetitions of the field at once, raw.
  Status set_field_raw(const Path& path, std::string_view bytes);
  // A new segment behind the n-th segment (from 0) of the message as it is now; raw, without terminator.
  Status insert_segment_after(std::size_t index, std::string_view raw);
  // kNotFound: no such segment; kRefused: MSH.
  Status remove_segment(std::string_view id, std::size_t n);

  std::string build() const;

 private:
  struct Piece {
    std::string_view content;  // of the message, without its terminator; unused when changed
    std::string changed;
    std::string ending;  // terminator, blank lines behind it, a trailing FS
    bool is_changed = false;
    std::string_view bytes() const { return is_changed ? std::string_view(changed) : content; }
  };
  enum class Depth : std::uint8_t { kAsPathSays, kWholeField };

  Piece* find(std::string_view id, std::size_t n);
  Status apply(const Path& path, std::string_view value, Depth depth);
  Result<std::string> with(const Piece& piece, const Path& path, std::string_view value, Depth depth) const;

  const Message& message_;
  std::string_view before_;  // BOM and blank lines in front of MSH
  std::vector<Piece> pieces_;
};

}  // namespace minato::hl7
