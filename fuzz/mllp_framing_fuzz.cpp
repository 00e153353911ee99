// MLLP framing: any bytes give the same events for any cut, memory is bounded, no byte is counted twice.
// links: minato_hl7
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "format/hl7/mllp_framer.h"

namespace {

using namespace minato::mllp;

constexpr std::size_t kFrameBytesMax = 4096;

void require(bool holds) {
  if (!holds) std::abort();
}

std::vector<Event> events_of(std::string_view bytes, std::size_t piece) {
  Framer framer({.frame_bytes_max = kFrameBytesMax});
  std::vector<Event> events;
  for (std::size_t pos = 0; pos < bytes.size(); pos += piece) {
    framer.feed(bytes.substr(pos, piece), events);
    require(framer.buffered_bytes() <= 4 * (kFrameBytesMax + minato::kMllpStrayBytesKept));
  }
  framer.close(events);
  require(!framer.mid_frame());
  return events;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::size_t piece = 1 + data[0] % 32;
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const std::vector<Event> cut = events_of(bytes, piece);
  const std::vector<Event> whole = events_of(bytes, bytes.size() + 1);
  std::size_t frames = 0;
  std::size_t counted = 0;
  for (const Event& event : cut) {
    require(event.bytes.size() <= kFrameBytesMax + minato::kMllpStrayBytesKept);
    frames += event.kind == EventKind::kFrame ? 1 : 0;
    counted += event.kind == EventKind::kOversize ? 0 : event.count;
  }
  require(counted <= bytes.size());
  std::size_t whole_frames = 0;
  std::string cut_content;
  std::string whole_content;
  for (const Event& event : whole) {
    whole_frames += event.kind == EventKind::kFrame ? 1 : 0;
    if (event.kind == EventKind::kFrame) whole_content += event.bytes;
  }
  for (const Event& event : cut) {
    if (event.kind == EventKind::kFrame) cut_content += event.bytes;
  }
  require(frames == whole_frames);
  require(cut_content == whole_content);
  return 0;
}
