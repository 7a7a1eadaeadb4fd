// Where the objects of a backup are kept. The keys of the cloud stores are part of the schema already, so that a file that
// names them is understood and answered clearly; choosing such a backend is refused until its adapter exists.

import { choice, flag, path, text } from './leaf.ts';

/** Backends that can be chosen in this version. */
export const AVAILABLE_BACKENDS: readonly string[] = ['filesystem', 'memory'];

export function storageSection() {
  return {
    backend: choice(['filesystem', 'memory', 's3', 'azure', 'gcs'], {
      doc: 'The kind of store. `memory` is for trials: it forgets everything at exit. `s3`, `azure` and `gcs` come with a later version.',
      default: null,
      required: true,
    }),
    path: path({ doc: 'Directory that holds the backups.', default: null, backends: ['filesystem'] }),
    bucket: text({ doc: 'Bucket.', default: null, backends: ['s3', 'gcs'] }),
    region: text({ doc: 'Region of the bucket.', default: null, backends: ['s3'] }),
    endpoint: text({
      doc: 'Address of the store where it is not the provider’s own.',
      default: null,
      backends: ['s3', 'azure'],
    }),
    access_key: text({ doc: 'Access key id.', default: null, sensitive: true, backends: ['s3'] }),
    secret_key: text({ doc: 'Secret access key.', default: null, sensitive: true, backends: ['s3'] }),
    path_style: flag({
      doc: 'Put the bucket into the path instead of the host name.',
      default: false,
      backends: ['s3'],
    }),
    allow_http: flag({ doc: 'Accept an endpoint without TLS.', default: false, backends: ['s3'] }),
    prefix: text({ doc: 'Put in front of every object key.', default: null, backends: ['s3', 'azure', 'gcs'] }),
    account_name: text({ doc: 'Storage account.', default: null, backends: ['azure'] }),
    container: text({
      doc: 'Container of the storage account. `container_name` is the same key.',
      default: null,
      alias: 'container_name',
      backends: ['azure'],
    }),
    account_key: text({ doc: 'Key of the storage account.', default: null, sensitive: true, backends: ['azure'] }),
    use_workload_identity: flag({ doc: 'Log in with the workload identity.', default: false, backends: ['azure'] }),
    client_id: text({ doc: 'Application id of a service principal.', default: null, backends: ['azure'] }),
    tenant_id: text({ doc: 'Tenant of a service principal.', default: null, backends: ['azure'] }),
    client_secret: text({ doc: 'Secret of a service principal.', default: null, sensitive: true, backends: ['azure'] }),
    sas_token: text({ doc: 'Shared access signature.', default: null, sensitive: true, backends: ['azure'] }),
    service_account_path: path({ doc: 'Key file of a service account.', default: null, backends: ['gcs'] }),
  };
}
