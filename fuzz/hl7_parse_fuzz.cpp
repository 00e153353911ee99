// HL7 v2: any bytes parse or are refused, header and parser agree, rebuilding is exact, every answer is a message.
// links: minato_hl7
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>

#include "format/hl7/ack.h"
#include "format/hl7/ack_mode.h"
#include "format/hl7/batch.h"
#include "format/hl7/edit.h"
#include "format/hl7/header.h"
#include "format/hl7/message.h"

namespace {

using namespace minato;
using namespace minato::hl7;

void require(bool holds) {
  if (!holds) std::abort();
}

void visit(const Message& message) {
  const char* const begin = message.bytes().data();
  const char* const end = begin + message.bytes().size();
  for (const Segment& segment : message.segments()) {
    for (std::size_t n = 1; n <= segment.field_count() && n <= 64; ++n) {
      const Field field = segment.field(n);
      require(field.raw().empty() || (field.raw().data() >= begin && field.raw().data() + field.raw().size() <= end));
      require(field.repetitions().size() == field.repetition_count());
      for (const Repetition& repetition : field.repetitions()) {
        for (const Component& component : repetition.components()) {
          component.text();
          require(component.offset() <= message.bytes().size());
          for (const SubComponent& sub : component.subcomponents()) sub.text();
        }
      }
      field.text();
    }
  }
}

void edit(const Message& message) {
  MessageEditor unchanged(message);
  require(unchanged.build() == message.bytes());
  MessageEditor editor(message);
  if (!editor.set("MSH-10", "fuzz|^1") || message.delimiters().escape == 0) return;
  const std::string changed = editor.build();
  const Result<Message> again = Message::view(changed, {.encoding = message.encoding(), .undeclared_default = {}});
  require(again.has_value());
  require(again->get("MSH-10") == "fuzz|^1");
  require(again->segment_count() == message.segment_count());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), size);
  const Result<Header> header = peek_header(bytes);
  const Result<Message> message =
      Message::view(bytes, {.segments_max = 2000, .encoding = {}, .undeclared_default = {}});
  if (message) {
    require(header.has_value());
    for (std::size_t n = 1; n < Header::kFieldsMax; ++n) {
      require(header->fields[n] == message->segment_at(0).field(n).raw());
    }
    visit(*message);
    edit(*message);
  }
  const Header head = header.value_or(Header{});
  ack_plan(head);
  read_acknowledgement(bytes, head);
  const auto fault = check_header(head, {});
  const AckRequest request{.code = AckCode::kAR,
                           .errors = {error_entry(fault ? fault->fault : Fault::kInternal)},
                           .us = {},
                           .time_dtm = "20260101",
                           .control_id = "1"};
  const std::string answer = build_ack(head, request);
  require(peek_header(answer).has_value());
  require(split_batch(bytes).messages.size() <= 1 + size / 4);
  return 0;
}
