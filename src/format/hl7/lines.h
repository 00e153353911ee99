// Where segments begin and end, by the bytes alone (see message.h for the rules). Shared by the parser, the header and
// the batch splitter, so that they can never disagree. CR and LF are no part of a multi-byte character in any encoding
// that MLLP carries.
#pragma once

#include <cstddef>
#include <string_view>

namespace minato::hl7 {

// What may stand between segments and means nothing: line ends, blanks, NUL, and a stray VT or FS of the framing.
bool is_blank(char c);
std::size_t skip_blank(std::string_view bytes, std::size_t pos);
// The first byte that is not blank, after a UTF-8 byte order mark.
std::size_t content_begin(std::string_view bytes);

// The bytes without what frames and files leave behind the last segment: an FS or NULs, among line ends.
std::string_view without_tail(std::string_view bytes);

// A segment id stands at `pos`: two to four capitals or digits, the first a capital, before a field separator or the
// line's end.
bool segment_starts_at(std::string_view bytes, std::size_t pos, char field_separator);

// What an LF means: the end of a segment when another one, another line end or nothing follows; else it is text.
struct LineFeed {
  bool ends_segment = false;
  std::size_t after = 0;  // behind this LF and those that follow it directly
};
LineFeed judge_line_feed(std::string_view bytes, std::size_t pos, char field_separator);

// The end of the segment that begins at `pos`, where its terminator or the end of the bytes is.
std::size_t segment_end(std::string_view bytes, std::size_t pos, char field_separator);

}  // namespace minato::hl7
