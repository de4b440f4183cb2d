mkdir mesh
put who-may-connect.1 mesh/mesh.yaml
run who-may-connect.2
says 'web-1 may connect to default/redis-1.*MeshTrafficPermission redis, from\[1\]'
says '"may": false'
