#include "format/hl7/edit.h"

#include <array>
#include <span>

#include "base/limits.h"
#include "format/hl7/escape.h"
#include "format/hl7/lines.h"

namespace minato::hl7 {
namespace {

// One step down into a segment: the part with this index (from 0) between these delimiters.
struct Step {
  char delimiter = 0;
  std::size_t index = 0;
};

struct Replacement {
  std::span<const Step> steps;
  std::string_view value;
  charset::Encoding encoding;
  char escape;
};

// Whether a delimiter behind `bytes` would be one: not behind half a character, or text that does not shift back to
// ASCII.
bool takes_delimiter(std::string_view bytes, char delimiter, const Replacement& what) {
  if (charset::ascii_safe(what.encoding)) return true;
  const std::string probe = std::string(bytes) + delimiter;
  charset::Scanner scanner(what.encoding, probe, what.escape);
  const charset::ByteSet ends{delimiter};
  while (scanner.next(ends)) {
    if (scanner.position() == bytes.size()) return true;
  }
  return false;
}

// `bytes` with the part that the steps lead to replaced; missing parts before it become delimiters.
// False: what stands before them is cut off within a character, so they would be taken for text.
bool replace(std::string_view bytes, const Replacement& what, std::string& out) {
  if (what.steps.empty()) {
    out += what.value;
    return true;
  }
  const Step step = what.steps.front();
  Replacement deeper = what;
  deeper.steps = what.steps.subspan(1);
  if (step.delimiter == 0) return replace(bytes, deeper, out);
  charset::Scanner scanner(what.encoding, bytes, what.escape);
  const charset::ByteSet ends{step.delimiter};
  std::size_t begin = 0;
  std::size_t n = 0;
  bool more = scanner.next(ends);
  while (more && n < step.index) {
    ++n;
    begin = scanner.position() + 1;
    more = scanner.next(ends);
  }
  if (n < step.index) {
    if (!takes_delimiter(bytes, step.delimiter, what)) return false;
    out += bytes;
    out.append(step.index - n, step.delimiter);
    return replace({}, deeper, out);
  }
  out += bytes.substr(0, begin);
  if (!replace(bytes.substr(begin, scanner.position() - begin), deeper, out)) return false;
  out += bytes.substr(scanner.position());
  return true;
}

bool declares_delimiters(std::string_view id) { return id == "MSH" || id == "FHS" || id == "BHS"; }

Status check_numbers(const Path& path) {
  if (path.field() > kHl7FieldsPerSegmentMax) return fail(Errc::kTooLarge, "field number over the limit");
  if (path.repetition() > kHl7RepetitionsMax) return fail(Errc::kTooLarge, "repetition number over the limit");
  if (path.component() > kHl7ComponentsMax || path.subcomponent() > kHl7ComponentsMax) {
    return fail(Errc::kTooLarge, "component number over the limit");
  }
  return {};
}

// A step below a field needs its delimiter, unless it is the first part, which is the whole where there is no such
// delimiter.
Result<Step> step_to(char delimiter, std::size_t number) {
  if (delimiter == 0 && number > 1)
    return fail(Errc::kRefused, "MSH-2 of this message has no delimiter for that depth");
  return Step{delimiter, number - 1};
}

bool has_line_end(std::string_view bytes) { return bytes.find_first_of("\r\n") != std::string_view::npos; }

}  // namespace

MessageEditor::MessageEditor(const Message& message) : message_(message) {
  const std::string_view bytes = message.bytes();
  const std::vector<Segment> segments = message.segments();
  std::size_t begin = segments.front().location().offset;
  before_ = bytes.substr(0, begin);
  pieces_.reserve(segments.size());
  for (std::size_t i = 0; i < segments.size(); ++i) {
    const bool last = i + 1 == segments.size();
    const std::string_view content = segments[i].raw();
    const std::size_t end = last ? bytes.size() : static_cast<std::size_t>(segments[i + 1].raw().data() - bytes.data());
    const std::size_t content_end = begin + content.size();
    pieces_.push_back(
        {.content = content, .changed = {}, .ending = std::string(bytes.substr(content_end, end - content_end))});
    begin = end;
  }
}

MessageEditor::Piece* MessageEditor::find(std::string_view id, std::size_t n) {
  const char separator = message_.delimiters().field;
  for (Piece& piece : pieces_) {
    const std::string_view content = piece.bytes();
    if (content.substr(0, content.find(separator)) == id && n-- == 0) return &piece;
  }
  return nullptr;
}

Result<std::string> MessageEditor::with(const Piece& piece, const Path& path, std::string_view value,
                                        Depth depth) const {
  const Delimiters& d = message_.delimiters();
  const bool shifted = declares_delimiters(path.segment_id());
  if (shifted && path.field() <= 2) return fail(Errc::kRefused, "the delimiters of a message cannot be edited");
  std::array<Step, 4> steps{};
  std::size_t count = 0;
  steps[count++] = {d.field, path.field() - (shifted ? 1 : 0)};
  if (depth == Depth::kAsPathSays) {
    MN_TRY(repetition, step_to(d.repetition, path.repetition()));
    steps[count++] = repetition;
    if (path.component() != 0) {
      MN_TRY(component, step_to(d.component, path.component()));
      steps[count++] = component;
    }
    if (path.subcomponent() != 0) {
      MN_TRY(subcomponent, step_to(d.subcomponent, path.subcomponent()));
      steps[count++] = subcomponent;
    }
  }
  std::string out;
  const Replacement replacement{std::span(steps).first(count), value, message_.encoding(), d.escape};
  if (replace(piece.bytes(), replacement, out)) return out;
  return fail(Errc::kRefused, "the text before it ends within a character or a shift, so nothing can be put behind it");
}

Status MessageEditor::apply(const Path& path, std::string_view value, Depth depth) {
  MN_CHECK(check_numbers(path));
  if (has_line_end(value)) return fail(Errc::kRefused, "a value cannot hold a line end: it would end the segment");
  Piece* piece = find(path.segment_id(), path.occurrence() - 1);
  if (piece == nullptr) return fail(Errc::kNotFound, "no segment " + std::string(path.segment_id()) + " for the path");
  MN_TRY(changed, with(*piece, path, value, depth));
  piece->changed = std::move(changed);
  piece->is_changed = true;
  return {};
}

Status MessageEditor::set(const Path& path, std::string_view utf8) {
  MN_TRY(value, encode_text(utf8, {message_.delimiters(), message_.encoding()}));
  return apply(path, value, Depth::kAsPathSays);
}

Status MessageEditor::set_raw(const Path& path, std::string_view bytes) {
  return apply(path, bytes, Depth::kAsPathSays);
}

Status MessageEditor::set_field_raw(const Path& path, std::string_view bytes) {
  return apply(path, bytes, Depth::kWholeField);
}

Status MessageEditor::insert_segment_after(std::size_t index, std::string_view raw) {
  if (index >= pieces_.size()) return fail(Errc::kNotFound, "no such segment");
  if (has_line_end(raw)) return fail(Errc::kRefused, "a segment cannot hold a line end");
  if (!segment_starts_at(raw, 0, message_.delimiters().field))
    return fail(Errc::kRefused, "a segment begins with its id");
  Piece added{
      .content = {}, .changed = std::string(raw), .ending = std::string(message_.terminator()), .is_changed = true};
  // The last segment may have stood without its end: it gets one, and the new one is last now.
  if (!has_line_end(pieces_[index].ending)) pieces_[index].ending = message_.terminator();
  pieces_.insert(pieces_.begin() + static_cast<std::ptrdiff_t>(index) + 1, std::move(added));
  return {};
}

Status MessageEditor::remove_segment(std::string_view id, std::size_t n) {
  if (id == "MSH") return fail(Errc::kRefused, "a message keeps its MSH");
  const Piece* piece = find(id, n);
  if (piece == nullptr) return fail(Errc::kNotFound, "no such segment");
  pieces_.erase(pieces_.begin() + (piece - pieces_.data()));
  return {};
}

std::string MessageEditor::build() const {
  std::size_t size = before_.size();
  for (const Piece& piece : pieces_) size += piece.bytes().size() + piece.ending.size();
  std::string out;
  out.reserve(size);
  out += before_;
  for (const Piece& piece : pieces_) {
    out += piece.bytes();
    out += piece.ending;
  }
  return out;
}

}  // namespace minato::hl7
