// Who may do what: passwords for SCRAM, and access control lists.
package probe;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ScramCredentialInfo;
import org.apache.kafka.clients.admin.ScramMechanism;
import org.apache.kafka.clients.admin.UserScramCredentialUpsertion;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

final class Access {
    private static final int ITERATIONS = 4096;
    private final Admin admin;

    Access(Admin admin) {
        this.admin = admin;
    }

    Object setScramPassword(JsonNode params) throws Exception {
        var mechanism = ScramMechanism.fromMechanismName(params.path("mechanism").asText());
        var credential = new ScramCredentialInfo(mechanism, ITERATIONS);
        var upsertion = new UserScramCredentialUpsertion(params.path("user").asText(), credential, params.path("password").asText());
        admin.alterUserScramCredentials(List.of(upsertion)).all().get();
        return null;
    }

    /** Lets a user do `operations` on one topic, from everywhere. */
    Object allow(JsonNode params) throws Exception {
        var topic = new ResourcePattern(ResourceType.TOPIC, Params.topic(params), PatternType.LITERAL);
        List<AclBinding> bindings = new ArrayList<>();
        for (JsonNode operation : params.path("operations")) {
            String principal = "User:" + params.path("user").asText();
            var entry = new AccessControlEntry(principal, "*", AclOperation.fromString(operation.asText()), AclPermissionType.ALLOW);
            bindings.add(new AclBinding(topic, entry));
        }
        admin.createAcls(bindings).all().get();
        return null;
    }
}
