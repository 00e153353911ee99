#include "flow/deliver.h"

#include "flow/deliver_kinds.h"

namespace minato {

DeliveryResult delivered(std::string detail) { return {DeliveryResult::State::kDone, std::move(detail), {}}; }
DeliveryResult retry_delivery(std::string what, std::optional<Time> at) {
  return {DeliveryResult::State::kRetry, std::move(what), at};
}
DeliveryResult refused_delivery(std::string what) { return {DeliveryResult::State::kRefused, std::move(what), {}}; }

Result<std::unique_ptr<Deliverer>> make_deliverer(const DestinationOptions& options, Files& files, Clock& clock) {
  switch (options.kind) {
    case DestinationKind::kMllp:
      if (options.host.empty() || options.port == 0)
        return fail(Errc::kRefused, options.name + ": host and port are needed");
      return make_mllp_deliverer(options);
    case DestinationKind::kWebhook:
      if (options.url.empty() || options.secret.empty())
        return fail(Errc::kRefused, options.name + ": url and secret are needed");
      return make_webhook_deliverer(options, clock);
    case DestinationKind::kFile:
      break;
  }
  if (options.directory.empty()) return fail(Errc::kRefused, options.name + ": directory is needed");
  return make_file_deliverer(options, files);
}

}  // namespace minato
