import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.acl.AccessControlEntry;
import org.apache.kafka.common.acl.AclBinding;
import org.apache.kafka.common.acl.AclOperation;
import org.apache.kafka.common.acl.AclPermissionType;
import org.apache.kafka.common.resource.PatternType;
import org.apache.kafka.common.resource.Resource;
import org.apache.kafka.common.resource.ResourcePattern;
import org.apache.kafka.common.resource.ResourceType;

/** Lets somebody do something: SERVERS PRINCIPAL, and for each right KIND FRONT OPERATION. FRONT is how names begin; a cluster has none. */
public class Acls {
    public static void main(String[] args) throws Exception {
        List<AclBinding> rights = new ArrayList<>();
        for (int at = 2; at < args.length; at += 3) {
            ResourceType kind = ResourceType.fromString(args[at]);
            ResourcePattern meant = kind == ResourceType.CLUSTER
                    ? new ResourcePattern(kind, Resource.CLUSTER_NAME, PatternType.LITERAL)
                    : new ResourcePattern(kind, args[at + 1], PatternType.PREFIXED);
            AclOperation operation = AclOperation.fromString(args[at + 2]);
            rights.add(new AclBinding(meant, new AccessControlEntry(args[1], "*", operation, AclPermissionType.ALLOW)));
        }
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
            admin.createAcls(rights).all().get();
        }
    }
}
