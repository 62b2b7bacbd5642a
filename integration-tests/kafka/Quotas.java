import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.common.quota.ClientQuotaAlteration;
import org.apache.kafka.common.quota.ClientQuotaEntity;

/** Lets clients read only so fast: SERVERS BYTES_PER_SECOND, and the ids of the clients. */
public class Quotas {
    public static void main(String[] args) throws Exception {
        var limit = new ClientQuotaAlteration.Op("consumer_byte_rate", Double.valueOf(args[1]));
        List<ClientQuotaAlteration> limits = new ArrayList<>();
        for (String client : List.of(args).subList(2, args.length)) {
            var meant = new ClientQuotaEntity(Map.of(ClientQuotaEntity.CLIENT_ID, client));
            limits.add(new ClientQuotaAlteration(meant, List.of(limit)));
        }
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", args[0]))) {
            admin.alterClientQuotas(limits).all().get();
        }
    }
}
