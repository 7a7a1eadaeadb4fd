# The agent as an image: built and run on the Node version that package.json pins. Built with BuildKit or Buildah:
#   docker build -t kafka-backup-agent .
#   docker run --rm -v /etc/kafka-backup:/etc/kafka-backup:ro -v /var/backups/kafka:/var/backups/kafka kafka-backup-agent backup -c /etc/kafka-backup/backup.yaml
FROM node:24-bookworm AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
RUN npm ci
COPY esbuild.config.js ./
COPY src ./src
# Not by npm, which would run it with the Node that package.json pins: code is compiled for the Node that will run it.
RUN node esbuild.config.js && npm prune --omit=dev

FROM node:24-bookworm-slim
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
USER node
# SIGTERM drains: what is in hand is committed before the process ends.
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "/app/dist/main.js"]
