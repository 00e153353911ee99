#include "format/hl7/message.h"

#include <algorithm>
#include <limits>

#include "format/hl7/escape.h"
#include "format/hl7/lines.h"

namespace minato::hl7 {
namespace {

// MSH, FHS and BHS declare delimiters: their first two fields are not split (HL7 v2.5.1 section 2.5.4).
bool declares_delimiters(std::string_view id) { return id == "MSH" || id == "FHS" || id == "BHS"; }

}  // namespace

// --- Element

std::size_t Element::offset() const {
  return message_ == nullptr ? 0 : static_cast<std::size_t>(raw_.data() - message_->bytes().data());
}

std::string Element::text() const {
  if (message_ == nullptr || raw_.empty() || is_null()) return {};
  if (message_->unstructured(place_)) return std::string(raw_);
  return decode_text(raw_, {message_->delimiters(), message_->encoding()});
}

Location Element::location() const {
  if (message_ == nullptr) return {};
  Location where = message_->segment_at(place_.segment).location();
  where.field = place_.field;
  where.repetition = place_.repetition;
  where.component = place_.component;
  where.subcomponent = place_.subcomponent;
  where.offset = offset();
  return where;
}

namespace {

// The end of the part of `raw` that begins at `begin`: the next delimiter that is a character of its own, or the end.
class PartEnds {
 public:
  PartEnds(const Message& message, std::string_view raw, char delimiter)
      : raw_(raw), delimiter_(delimiter), safe_(charset::ascii_safe(message.encoding())),
        scanner_(message.encoding(), raw, message.delimiters().escape), wanted_{delimiter} {}

  bool next() {
    if (!safe_) {
      const bool more = scanner_.next(wanted_);
      end_ = scanner_.position();
      return more;
    }
    end_ = raw_.find(delimiter_, begin_);
    if (end_ == std::string_view::npos) end_ = raw_.size();
    begin_ = end_ + 1;
    return end_ < raw_.size();
  }
  std::size_t end() const { return end_; }

 private:
  std::string_view raw_;
  char delimiter_;
  bool safe_;
  std::size_t begin_ = 0;
  std::size_t end_ = 0;
  charset::Scanner scanner_;
  charset::ByteSet wanted_;
};

}  // namespace

std::string_view Element::part(char delimiter, std::size_t n) const {
  if (message_ == nullptr) return {};
  if (delimiter == 0 || message_->unstructured(place_)) return n == 0 ? raw_ : raw_.substr(raw_.size());
  PartEnds ends(*message_, raw_, delimiter);
  std::size_t begin = 0;
  for (;; --n) {
    const bool more = ends.next();
    if (n == 0) return raw_.substr(begin, ends.end() - begin);
    if (!more) return raw_.substr(raw_.size());
    begin = ends.end() + 1;
  }
}

std::size_t Element::part_count(char delimiter) const {
  if (raw_.empty() || message_ == nullptr) return 0;
  if (delimiter == 0 || message_->unstructured(place_)) return 1;
  PartEnds ends(*message_, raw_, delimiter);
  std::size_t count = 1;
  while (ends.next()) ++count;
  return count;
}

// --- from a field down

std::size_t Component::subcomponent_count() const {
  return message_ == nullptr ? 0 : part_count(message_->delimiters().subcomponent);
}

SubComponent Component::subcomponent(std::size_t number) const {
  if (message_ == nullptr || number == 0) return {};
  Place place = place_;
  place.subcomponent = static_cast<std::uint32_t>(number);
  return {message_, part(message_->delimiters().subcomponent, number - 1), place};
}

std::size_t Repetition::component_count() const {
  return message_ == nullptr ? 0 : part_count(message_->delimiters().component);
}

Component Repetition::component(std::size_t number) const {
  if (message_ == nullptr || number == 0) return {};
  Place place = place_;
  place.component = static_cast<std::uint32_t>(number);
  return {message_, part(message_->delimiters().component, number - 1), place};
}

std::size_t Field::repetition_count() const {
  return message_ == nullptr ? 0 : part_count(message_->delimiters().repetition);
}

Repetition Field::repetition(std::size_t index) const {
  if (message_ == nullptr) return {};
  Place place = place_;
  place.repetition = static_cast<std::uint32_t>(index + 1);
  return {message_, part(message_->delimiters().repetition, index), place};
}

std::vector<Repetition> Field::repetitions() const {
  std::vector<Repetition> all;
  if (message_ == nullptr || raw_.empty()) return all;
  const char delimiter = message_->delimiters().repetition;
  if (delimiter == 0 || message_->unstructured(place_)) return {repetition(0)};
  PartEnds ends(*message_, raw_, delimiter);
  Place place = place_;
  std::size_t begin = 0;
  for (bool more = true; more;) {
    more = ends.next();
    ++place.repetition;
    all.push_back(Repetition(message_, raw_.substr(begin, ends.end() - begin), place));
    begin = ends.end() + 1;
  }
  return all;
}

// --- Segment

std::string_view Segment::raw() const {
  if (message_ == nullptr) return {};
  const Message::SegmentEntry& entry = message_->segments_[index_];
  return message_->bytes_.substr(entry.begin, entry.end - entry.begin);
}

std::string_view Segment::id() const { return message_ == nullptr ? std::string_view{} : message_->id_of(index_); }

std::size_t Segment::field_count() const {
  if (message_ == nullptr) return 0;
  return message_->segments_[index_].field_count + (declares_delimiters(id()) ? 1u : 0u);
}

Field Segment::field(std::size_t number) const {
  if (message_ == nullptr || number == 0) return {};
  const Message::SegmentEntry& entry = message_->segments_[index_];
  const Place place{.segment = index_, .field = static_cast<std::uint32_t>(number)};
  const std::string_view bytes = message_->bytes_;
  if (declares_delimiters(id())) {
    if (number == 1) return {message_, bytes.substr(entry.begin + 3, entry.field_count > 0 ? 1 : 0), place};
    --number;
  }
  if (number > entry.field_count) return {message_, bytes.substr(entry.end, 0), place};
  const std::size_t at = entry.first_field + number - 1;
  const std::size_t begin = message_->field_begins_[at];
  const std::size_t end = number == entry.field_count ? entry.end : message_->field_begins_[at + 1] - 1;
  return {message_, bytes.substr(begin, end - begin), place};
}

std::uint32_t Segment::occurrence() const {
  if (message_ == nullptr) return 0;
  std::uint32_t count = 1;
  const std::string_view mine = id();
  for (std::uint32_t i = 0; i < index_; ++i) count += message_->id_of(i) == mine ? 1 : 0;
  return count;
}

Location Segment::location() const {
  if (message_ == nullptr) return {};
  return {.segment_id = std::string(id()),
          .segment_occurrence = occurrence(),
          .offset = message_->segments_[index_].begin};
}

// --- Message

bool Message::unstructured(const Place& place) const {
  return (place.field == 1 || place.field == 2) && declares_delimiters(id_of(place.segment));
}

std::string_view Message::id_of(std::size_t index) const {
  const SegmentEntry& entry = segments_[index];
  const std::size_t end = entry.field_count == 0 ? entry.end : field_begins_[entry.first_field] - 1;
  return bytes_.substr(entry.begin, end - entry.begin);
}

std::string_view Message::terminator() const {
  const std::size_t end = segments_.empty() ? bytes_.size() : segments_.front().end;
  if (end >= bytes_.size()) return "\r";
  return bytes_.substr(end, bytes_.substr(end).starts_with("\r\n") ? 2 : 1);
}

Segment Message::segment_at(std::size_t index) const {
  return index < segments_.size() ? Segment(this, static_cast<std::uint32_t>(index)) : Segment();
}

Segment Message::segment(std::string_view id, std::size_t n) const {
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    if (id_of(i) == id && n-- == 0) return segment_at(i);
  }
  return {};
}

std::vector<Segment> Message::segments(std::string_view id) const {
  std::vector<Segment> found;
  for (std::size_t i = 0; i < segments_.size(); ++i) {
    if (id_of(i) == id) found.push_back(segment_at(i));
  }
  return found;
}

std::vector<Segment> Message::segments() const {
  std::vector<Segment> all;
  all.reserve(segments_.size());
  for (std::size_t i = 0; i < segments_.size(); ++i) all.push_back(segment_at(i));
  return all;
}

namespace {

// Calls `use` with the element that the path names, at the depth that it names.
template <typename Use>
auto at_path(const Message& message, const Path& path, Use use) {
  const Field field = message.segment(path.segment_id(), path.occurrence() - 1).field(path.field());
  const Repetition repetition = field.repetition(path.repetition() - 1);
  if (path.component() == 0) return use(static_cast<const Element&>(repetition));
  const Component component = repetition.component(path.component());
  if (path.subcomponent() == 0) return use(static_cast<const Element&>(component));
  return use(static_cast<const Element&>(component.subcomponent(path.subcomponent())));
}

}  // namespace

std::string Message::get(const Path& path) const {
  return at_path(*this, path, [](const Element& element) { return element.text(); });
}

std::string_view Message::raw(const Path& path) const {
  return at_path(*this, path, [](const Element& element) { return element.raw(); });
}

Location Message::location(const Path& path) const {
  Location where = Location::of(path);
  at_path(*this, path, [&](const Element& element) { where.offset = element.offset(); });
  return where;
}

}  // namespace minato::hl7
