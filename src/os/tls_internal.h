// What the folder's own sources share about OpenSSL; nobody else includes it.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "os/tls.h"

namespace minato {

// The reason of the oldest error in this thread's OpenSSL queue, which is emptied.
std::string tls_error_text();
std::optional<PeerIdentity> verified_identity(const ssl_st* ssl);
// Of a DER certificate that the caller has verified; nullopt if it is none.
std::optional<PeerIdentity> identity_of_der(std::string_view der);

}  // namespace minato
