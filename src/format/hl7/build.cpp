#include "format/hl7/build.h"

#include "base/limits.h"

namespace minato::hl7 {
namespace {

constexpr std::size_t kMsh18 = 18;
constexpr std::size_t kMsh20 = 20;

void put(std::vector<std::string>& fields, std::size_t number, std::string_view value) {
  if (fields.size() <= number) fields.resize(number + 1);
  if (fields[number].empty()) fields[number] = value;
}

bool is_segment_id(std::string_view id) {
  if (id.size() != 3 || id[0] < 'A' || id[0] > 'Z') return false;
  for (const char c : id) {
    if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9')) return false;
  }
  return true;
}

}  // namespace

MessageBuilder::MessageBuilder(const Options& options)
    : coding_{options.delimiters, options.encoding}, terminator_(options.terminator) {}

void MessageBuilder::refuse(std::string what) {
  if (status_) status_ = fail(Errc::kRefused, std::move(what));
}

MessageBuilder& MessageBuilder::segment(std::string_view id) {
  if (!is_segment_id(id)) refuse("a segment id is a capital letter and two capitals or digits");
  rows_.push_back({.id = std::string(id), .fields = {}});
  last_field_ = 0;
  return *this;
}

std::string* MessageBuilder::slot(std::size_t number) {
  if (rows_.empty()) {
    refuse("a field before any segment");
    return nullptr;
  }
  Row& row = rows_.back();
  const bool delimiters = (row.id == "MSH" || row.id == "FHS" || row.id == "BHS") && number <= 2;
  if (number == 0 || number > kHl7FieldsPerSegmentMax || delimiters) {
    refuse("no such field to write: " + row.id + "-" + std::to_string(number));
    return nullptr;
  }
  if (row.fields.size() <= number) row.fields.resize(number + 1);
  last_field_ = number;
  return &row.fields[number];
}

std::string MessageBuilder::joined(std::initializer_list<std::string_view> utf8) {
  std::string out;
  std::size_t pending = 0;  // empty components at the end are not written
  for (const std::string_view component : utf8) {
    if (!component.empty()) {
      out.append(pending, coding_.delimiters.component);
      pending = 0;
      Result<std::string> text = encode_text(component, coding_);
      if (!text) refuse(text.error().what);
      if (text) out += *text;
    }
    ++pending;
  }
  return out;
}

MessageBuilder& MessageBuilder::field(std::size_t number, std::string_view utf8) { return components(number, {utf8}); }

MessageBuilder& MessageBuilder::components(std::size_t number, std::initializer_list<std::string_view> utf8) {
  if (std::string* to = slot(number); to != nullptr) *to = joined(utf8);
  return *this;
}

MessageBuilder& MessageBuilder::repeat(std::initializer_list<std::string_view> utf8) {
  if (last_field_ == 0 || coding_.delimiters.repetition == 0) {
    refuse("a repetition needs a field before it, and a repetition separator");
    return *this;
  }
  std::string& to = rows_.back().fields[last_field_];
  to.push_back(coding_.delimiters.repetition);
  to += joined(utf8);
  return *this;
}

MessageBuilder& MessageBuilder::raw(std::size_t number, std::string_view bytes) {
  if (bytes.find_first_of("\r\n") != std::string_view::npos) refuse("a raw value holds a line end");
  if (std::string* to = slot(number); to != nullptr) *to = bytes;
  return *this;
}

void MessageBuilder::write(const Row& row, std::string& out) const {
  const bool declares = row.id == "MSH" || row.id == "FHS" || row.id == "BHS";
  out += row.id;
  if (declares) {
    out.push_back(coding_.delimiters.field);
    out += coding_.delimiters.encoding_characters();
  }
  std::size_t last = row.fields.size();
  while (last > 0 && row.fields[last - 1].empty()) --last;
  for (std::size_t number = declares ? 3 : 1; number < last; ++number) {
    out.push_back(coding_.delimiters.field);
    out += row.fields[number];
  }
  out += terminator_;
}

Result<std::string> MessageBuilder::build() {
  if (!status_) return std::unexpected(status_.error());
  if (rows_.empty() || rows_.front().id != "MSH") return fail(Errc::kRefused, "a message begins with MSH");
  std::vector<std::string>& msh = rows_.front().fields;
  // For ISO-2022-JP MSH-18 is a default (ASCII, empty) and a repetition: the separator is this message's own.
  std::string set(charset::msh18(coding_.encoding));
  if (set.starts_with('~') && coding_.delimiters.repetition != 0) set[0] = coding_.delimiters.repetition;
  put(msh, kMsh18, set);
  if (coding_.encoding == charset::Encoding::kIso2022Jp) put(msh, kMsh20, "ISO 2022-1994");
  std::string out;
  for (const Row& row : rows_) write(row, out);
  return out;
}

}  // namespace minato::hl7
