// The three kinds of destination; private to deliver*.cpp.
#pragma once

#include "flow/deliver.h"

namespace minato {

DeliveryResult delivered(std::string detail);
DeliveryResult retry_delivery(std::string what, std::optional<Time> at = {});
DeliveryResult refused_delivery(std::string what);

std::unique_ptr<Deliverer> make_mllp_deliverer(const DestinationOptions& options);
std::unique_ptr<Deliverer> make_webhook_deliverer(const DestinationOptions& options, Clock& clock);
std::unique_ptr<Deliverer> make_file_deliverer(const DestinationOptions& options, Files& files);

}  // namespace minato
