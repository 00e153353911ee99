#include <mutex>

#include "flow/deliver_kinds.h"
#include "flow/mllp_client.h"
#include "format/hl7/ack.h"
#include "format/hl7/header.h"

namespace minato {
namespace {

constexpr auto kConnectWait = std::chrono::seconds(10);

class MllpDeliverer : public Deliverer {
 public:
  explicit MllpDeliverer(const DestinationOptions& options) : options_(options) {}

  DeliveryResult deliver(const Delivery& delivery, const std::stop_token& stop) override {
    const std::lock_guard lock(mutex_);
    if (stop.stop_requested()) return retry_delivery("stopping");
    const auto header = hl7::peek_header(delivery.bytes);
    if (!header) return refused_delivery(header.error().what);
    // A link on which something came unasked is out of step: its next answer might belong to an earlier message.
    if (link_ && link_->stale()) link_.reset();
    if (const Status connected = connect(); !connected) return retry_delivery(connected.error().what);
    auto answer = link_->exchange(delivery.bytes, std::chrono::steady_clock::now() + options_.ack_timeout);
    if (!answer) {
      // A late answer must never be taken for the next message's.
      link_.reset();
      return retry_delivery(answer.error().what);
    }
    return judge(*header, *answer);
  }

 private:
  Status connect() {
    if (link_) return {};
    MllpClientOptions client;
    client.endpoint = {options_.host, options_.port};
    client.tls = options_.tls.get();
    MN_TRY(link, MllpClient::connect(client, std::chrono::steady_clock::now() + kConnectWait));
    link_.emplace(std::move(link));
    return {};
  }

  DeliveryResult judge(const hl7::Header& sent, const std::string& answer) {
    const auto header = hl7::peek_header(answer);
    const auto ack = header ? hl7::read_acknowledgement(answer, *header) : std::nullopt;
    if (!ack) {
      link_.reset();
      return retry_delivery("the answer is no acknowledgement");
    }
    if (ack->control_id != sent.control_id()) {
      link_.reset();
      return retry_delivery("the answer is for another message (MSA-2); the link was closed");
    }
    const std::string code(hl7::name(ack->code));
    if (hl7::positive(ack->code)) return delivered(code);
    const bool rejected = ack->code == hl7::AckCode::kAR || ack->code == hl7::AckCode::kCR;
    switch (rejected ? options_.on_ar : options_.on_ae) {
      case NegativeAnswer::kAccept:
        return delivered(code);
      case NegativeAnswer::kRetry:
        return retry_delivery("answered " + code);
      case NegativeAnswer::kPark:
        break;
    }
    return refused_delivery("answered " + code);
  }

  const DestinationOptions options_;
  std::mutex mutex_;
  std::optional<MllpClient> link_;
};

}  // namespace

std::unique_ptr<Deliverer> make_mllp_deliverer(const DestinationOptions& options) {
  return std::make_unique<MllpDeliverer>(options);
}

}  // namespace minato
