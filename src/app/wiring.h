// From the configuration's words to the options of each part. One function a part; no decisions but the mapping.
#pragma once

#include <memory>

#include "app/config.h"
#include "edge/mllp/options.h"
#include "flow/deliver.h"
#include "flow/mail_step.h"
#include "flow/notify.h"
#include "flow/pix.h"
#include "flow/receive.h"
#include "os/http_server.h"
#include "os/mail.h"

namespace minato {

Result<mllp::ServerOptions> mllp_options(const Config& config);
Result<http::ServerOptions> http_options(const Config& config);
ReceiverOptions receiver_options(const Config& config);
Result<NotifyRules> notify_rules(const Config& config, const std::string& id_secret);
// `http_url` is where we are reached when the configuration names no base_url.
Result<MailOptions> mail_options(const Config& config, NotifyRules rules, const std::string& http_url);
Result<std::unique_ptr<MailSender>> mail_sender(const Config& config);
Result<DestinationOptions> destination_options(const DestinationConfig& config);
// Null when there is none.
Result<std::unique_ptr<PatientMaster>> patient_master(const Config& config, Clock& clock);

}  // namespace minato
