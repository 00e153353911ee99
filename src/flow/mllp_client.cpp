#include "flow/mllp_client.h"

#include <array>

namespace minato {

Result<MllpClient> MllpClient::connect(const MllpClientOptions& options, Deadline deadline) {
  ConnectOptions connect;
  connect.endpoint = options.endpoint;
  connect.tls = options.tls;
  MN_TRY(stream, connect_stream(connect, deadline));
  return MllpClient(std::move(stream), options.answer_bytes_max);
}

Status MllpClient::send(std::string_view message, Deadline deadline) {
  return stream_.write_all(mllp::encode_frame(message), deadline);
}

Result<std::string> MllpClient::receive(Deadline deadline) {
  std::array<char, 16 * 1024> buffer;
  while (waiting_.empty()) {
    // Most receivers end with FS CR at once; one that leaves the CR out has still said all there is.
    if (framer_.awaiting_cr() && !stream_.readable_now()) {
      framer_.accept_without_cr(waiting_);
      continue;
    }
    MN_TRY(bytes, stream_.read_some(buffer, deadline));
    if (bytes == 0) return fail(Errc::kRetry, "the peer closed the link before it answered");
    framer_.feed({buffer.data(), bytes}, waiting_);
    std::erase_if(waiting_, [](const mllp::Event& event) { return event.kind == mllp::EventKind::kJunk; });
  }
  mllp::Event event = std::move(waiting_.front());
  waiting_.erase(waiting_.begin());
  if (event.kind != mllp::EventKind::kFrame) {
    return fail(Errc::kRefused, "the answer is no MLLP frame: " + std::string(mllp::name(event.kind)));
  }
  return std::move(event.bytes);
}

Result<std::string> MllpClient::exchange(std::string_view message, Deadline deadline) {
  MN_CHECK(send(message, deadline));
  return receive(deadline);
}

}  // namespace minato
