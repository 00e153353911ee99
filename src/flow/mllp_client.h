// The sending end of MLLP: one link, one message in flight, its answer.
//
//   MN_TRY(link, MllpClient::connect(options, deadline));
//   MN_TRY(answer, link.exchange(message, deadline));      // the answer's bytes, without framing
//
// After any error the link is of no more use: a late answer would be taken for the next message's. Use by one thread at
// a time.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/error.h"
#include "base/time.h"
#include "format/hl7/mllp_framer.h"
#include "os/stream.h"

namespace minato {

struct MllpClientOptions {
  Endpoint endpoint = {};
  const TlsClientContext* tls = nullptr;  // null: plain; outlives the link
  std::size_t answer_bytes_max = kMiB;
};

class MllpClient {
 public:
  // kRetry: unreachable or not in time. kRefused: a certificate is not accepted.
  static Result<MllpClient> connect(const MllpClientOptions& options, Deadline deadline);

  Status send(std::string_view message, Deadline deadline);
  // The next answer. kRetry: none in time, or the link ended; kRefused: what came is no frame.
  Result<std::string> receive(Deadline deadline);
  Result<std::string> exchange(std::string_view message, Deadline deadline);
  // The peer closed the link, or sent something nobody asked for.
  bool stale() const { return !waiting_.empty() || stream_.readable_now(); }

 private:
  MllpClient(BlockingStream stream, std::size_t answer_bytes_max)
      : stream_(std::move(stream)), framer_({.frame_bytes_max = answer_bytes_max}) {}
  BlockingStream stream_;
  mllp::Framer framer_;
  std::vector<mllp::Event> waiting_;  // answers that came together with an earlier one
};

}  // namespace minato
