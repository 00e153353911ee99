// A parsed HL7 v2 message: a view over the received bytes, which stay as they are.
//
//   Result<Message> message = Message::parse(std::move(frame));
//   if (!message) …                                                  // no MSH, bad delimiters, over a limit
//   std::string family = message->get("PID-5.1");                    // UTF-8, escapes resolved
//   for (Segment obx : message->segments("OBX")) use(obx.field(5).repetition(0).component(1).text());
//
// Lenient as the field demands: segments end in CR, LF or CRLF, in a mixture too (an LF that no segment follows is
// text); a BOM or blank lines may stand before MSH, an FS or blank lines after the last segment; Z segments and unknown
// segments are segments like others. `bytes()` is always exactly what came in, so re-encoding an unchanged message is
// free and exact.
//
// What is absent is a view too: empty, exists() false. Counting follows the standard where it counts: fields,
// components and sub-components from 1 (HL7 v2.5.1 section 2.5.3). `repetition(0)` is the first, as in arrays; in a
// Path it is [1], as in ERR-2.
//
// Views (Segment, Field …) point into their Message: use them while it lives and is not moved or re-assigned.
// A Message is immutable after parse; any number of threads may read it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/limits.h"
#include "format/charset/detect.h"
#include "format/charset/scan.h"
#include "format/hl7/delimiters.h"
#include "format/hl7/path.h"

namespace minato::hl7 {

class Message;
class Segment;

// Where an element stands in the tree, kept small; a Location is made of it on demand. 0: not that deep.
struct Place {
  std::uint32_t segment = 0;  // index in the message
  std::uint32_t field = 0;
  std::uint32_t repetition = 0;
  std::uint32_t component = 0;
  std::uint32_t subcomponent = 0;
};

// One value at some depth. raw() is all of its bytes: those of a component hold its sub-components and their
// delimiters.
class Element {
 public:
  std::string_view raw() const { return raw_; }
  bool empty() const { return raw_.empty(); }
  // Two double quotes: "delete what you have", HL7 v2.5.1 section 2.5.3.
  bool is_null() const { return raw_ == "\"\""; }
  // raw() as UTF-8 with escape sequences resolved (see escape.h). Delimiters inside stay as they are. "" for null.
  std::string text() const;
  Location location() const;
  std::size_t offset() const;  // in the message, of the first byte; of an absent element, where its parent ends

 protected:
  Element() = default;
  Element(const Message* message, std::string_view raw, Place place) : message_(message), raw_(raw), place_(place) {}
  // The n-th part, from 0, between delimiters; empty at the end when there are fewer. A NUL delimiter or a field that
  // has no structure (MSH-1, MSH-2) gives the whole as part 0.
  std::string_view part(char delimiter, std::size_t n) const;
  std::size_t part_count(char delimiter) const;
  // Calls `use` with each part in order; once with the whole where there is no structure.
  template <typename Use>
  void for_each_part(char delimiter, Use use) const;

  const Message* message_ = nullptr;
  std::string_view raw_;
  Place place_;
};

class SubComponent : public Element {
  friend class Component;
  using Element::Element;
};

class Component : public Element {
 public:
  std::size_t subcomponent_count() const;               // 0 when empty
  SubComponent subcomponent(std::size_t number) const;  // from 1
  std::vector<SubComponent> subcomponents() const;      // none when empty

 private:
  friend class Repetition;
  using Element::Element;
};

class Repetition : public Element {
 public:
  std::size_t component_count() const;  // 0 when empty
  // Linear in the length: use components() to walk over many.
  Component component(std::size_t number) const;  // from 1
  std::vector<Component> components() const;      // none when empty

 private:
  friend class Field;
  using Element::Element;
};

class Field : public Element {
 public:
  std::size_t repetition_count() const;  // 0 when empty
  // Linear in the field's length: use repetitions() to walk over many.
  Repetition repetition(std::size_t index) const;  // from 0
  std::vector<Repetition> repetitions() const;     // none when empty
  // Of the first repetition.
  Component component(std::size_t number) const { return repetition(0).component(number); }

 private:
  friend class Segment;
  using Element::Element;
};

class Segment {
 public:
  Segment() = default;
  bool exists() const { return message_ != nullptr; }
  std::string_view id() const;
  std::string_view raw() const;  // without its terminator
  std::size_t field_count() const;
  // MSH-1 is the field separator and MSH-2 the encoding characters, as the standard counts.
  Field field(std::size_t number) const;  // from 1
  std::size_t index() const { return index_; }
  std::uint32_t occurrence() const;  // among the segments of this id, from 1
  Location location() const;

 private:
  friend class Message;
  Segment(const Message* message, std::uint32_t index) : message_(message), index_(index) {}
  const Message* message_ = nullptr;
  std::uint32_t index_ = 0;
};

struct ParseOptions {
  std::size_t segments_max = kHl7SegmentsMax;
  std::size_t fields_per_segment_max = kHl7FieldsPerSegmentMax;
  // Set: the bytes are in this encoding whatever MSH-18 says (for instance what was found when the message came in).
  std::optional<charset::Encoding> encoding = {};
  // See charset::Declaration.
  std::optional<charset::Encoding> undeclared_default = {};
};

class Message {
 public:
  // Takes the bytes and owns them. kRefused: not HL7 (no MSH, delimiters unusable); kTooLarge: over a limit of the
  // options. What was taken is gone after a failure: keep a copy, or use view(), if it is still needed.
  static Result<Message> parse(std::string bytes, const ParseOptions& options = {});
  // As parse, on bytes that outlive the message.
  static Result<Message> view(std::string_view bytes, const ParseOptions& options = {});

  std::string_view bytes() const { return bytes_; }
  const Delimiters& delimiters() const { return delimiters_; }
  const charset::CharsetFinding& charset() const { return charset_; }
  charset::Encoding encoding() const { return charset_.used; }
  // How the first segment ends: "\r", "\n" or "\r\n". What new segments get.
  std::string_view terminator() const;

  std::size_t segment_count() const { return segments_.size(); }
  Segment segment_at(std::size_t index) const;
  // The n-th of this id, from 0; one that does not exist when there is none.
  Segment segment(std::string_view id, std::size_t n = 0) const;
  std::vector<Segment> segments(std::string_view id) const;
  std::vector<Segment> segments() const;

  // Text of what the path names; "" when it is absent, empty or null. A runtime path comes from Path::parse.
  std::string get(const Path& path) const;
  // The bytes of what the path names; empty when absent.
  std::string_view raw(const Path& path) const;
  Location location(const Path& path) const;

  // Number of fields in all segments: with it, "every field visited" is visible from outside.
  std::size_t field_count() const { return field_begins_.size(); }

 private:
  friend class Element;
  friend class Component;
  friend class Repetition;
  friend class Field;
  friend class Segment;
  friend class MessageReader;

  struct SegmentEntry {
    std::uint32_t begin = 0;        // of the id
    std::uint32_t end = 0;          // of the content, where the terminator begins
    std::uint32_t first_field = 0;  // in field_begins_
    std::uint32_t field_count = 0;
    bool declares_delimiters = false;  // MSH, FHS, BHS: the first two fields are not split (HL7 v2.5.1 section 2.5.4)
  };

  Message() = default;
  std::string_view id_of(std::size_t index) const;
  // MSH-1, MSH-2 and their like, whose delimiters are their value.
  bool unstructured(const Place& place) const;

  std::unique_ptr<const std::string> owned_;
  std::string_view bytes_;
  Delimiters delimiters_;
  charset::CharsetFinding charset_;
  std::vector<SegmentEntry> segments_;
  std::vector<std::uint32_t> field_begins_;  // a field ends one byte before the next one begins, or with its segment
};

}  // namespace minato::hl7
