#include "format/hl7/path.h"

namespace minato::hl7 {
namespace {

void append_number(std::string& out, char before, std::uint32_t value) {
  out.push_back(before);
  out += std::to_string(value);
}

void append_bracketed(std::string& out, std::uint32_t value) {
  append_number(out, '[', value);
  out.push_back(']');
}

}  // namespace

Result<Path> Path::parse(std::string_view text) {
  Path path;
  if (const char* wrong = read(text, path); wrong != nullptr) return fail(Errc::kRefused, wrong);
  return path;
}

std::string Path::text() const {
  std::string out(segment_id());
  if (occurrence_ != 1) append_bracketed(out, occurrence_);
  append_number(out, '-', field_);
  if (names_repetition_) append_bracketed(out, repetition_);
  if (component_ != 0) append_number(out, '.', component_);
  if (subcomponent_ != 0) append_number(out, '.', subcomponent_);
  return out;
}

std::string Location::text() const {
  std::string out = segment_id;
  append_bracketed(out, segment_occurrence);
  if (field == 0) return out;
  append_number(out, '-', field);
  if (repetition != 0) append_bracketed(out, repetition);
  if (component == 0) return out;
  append_number(out, '.', component);
  if (subcomponent != 0) append_number(out, '.', subcomponent);
  return out;
}

Location Location::of(const Path& path) {
  return {.segment_id = std::string(path.segment_id()),
          .segment_occurrence = path.occurrence(),
          .field = path.field(),
          .repetition = path.names_repetition() || path.component() != 0 ? path.repetition() : 0,
          .component = path.component(),
          .subcomponent = path.subcomponent()};
}

}  // namespace minato::hl7
